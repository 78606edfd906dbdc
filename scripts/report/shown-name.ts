/** A file's name as a person should see it: control characters become visible signs, and none can turn the text around. */
export function shownName(path: string): string {
  return path
    .toWellFormed()
    .replace(/\p{Cc}/gu, controlPicture)
    .replace(/[\p{Bidi_Control}\u2028\u2029]/gu, '\uFFFD');
}

/** U+240A is the sign for newline, and so on. */
function controlPicture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\uFFFD';
}
