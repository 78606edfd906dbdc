// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const steering = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** A path as one line of a terminal: names may hold newlines and escape sequences, which must not reach it. */
export const printable = (path: string): string => (steering.test(path) ? jsonString(path) : path);

const leftByJson = /[\u007f-\u009f\u2028\u2029]/g;

/** A text as JSON of visible characters: JSON itself leaves C1 controls as they are, and terminals obey these too. */
export function jsonString(text: string): string {
  const json = JSON.stringify(text);
  if (json.search(leftByJson) < 0) return json;
  return json.replace(leftByJson, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
