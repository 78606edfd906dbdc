import { createLocalPhotos } from '#local/local-photos.ts';
import { rollDegrees } from '#pipeline/face.ts';
import { photoPath } from '#pipeline/photo.ts';
import type { Codec, Detector } from '#pipeline/ports.ts';
import { createCodec } from '#vision/codec.ts';
import { openDetector } from '#vision/open-detector.ts';
import { isHeard } from './broken-pipe.ts';
import { localInputs } from './local-inputs.ts';
import { openModels } from './open-tools.ts';
import { fromShell } from './paths.ts';
import { printable } from './printable.ts';

/** `unmask check`: who wears a mask? Nothing is written. */
export async function check(paths: readonly string[], { json = false }: { readonly json?: boolean }): Promise<void> {
  const inputs = await localInputs(paths.map(fromShell));
  const photos = createLocalPhotos(inputs);
  const models = await openModels();
  const tools = { codec: createCodec(), detector: openDetector(models) };
  for (const { key } of inputs) {
    if (!isHeard()) return;
    const stored = await photos.get(key);
    const verdict = await verdictOf(stored?.bytes ?? new Uint8Array(), tools);
    console.log(json ? JSON.stringify({ event: 'check', key, ...verdict }) : lineOf(photoPath(key), verdict));
  }
}

type Verdict =
  | { readonly verdict: 'rejected'; readonly reason: { readonly code: string; readonly message: string } }
  | { readonly verdict: 'masked' | 'bare' | 'no-face'; readonly faces: readonly CheckedFace[] };

type CheckedFace = Awaited<ReturnType<Detector['localise']>>[number] & { readonly rollDegrees: number };

async function verdictOf(
  bytes: Uint8Array,
  { codec, detector }: { codec: Codec; detector: Detector },
): Promise<Verdict> {
  const header = await codec.inspect(bytes);
  if ('rejected' in header) return { verdict: 'rejected', reason: header.rejected };
  const decoded = await codec.decode(bytes);
  if ('rejected' in decoded) return { verdict: 'rejected', reason: decoded.rejected };
  const localised = await detector.localise(decoded.raster);
  const faces = localised.map((face) => ({ ...face, rollDegrees: rollDegrees(face) }));
  if (faces.length === 0) return { verdict: 'no-face', faces };
  return { verdict: faces.some(({ masked }) => masked) ? 'masked' : 'bare', faces };
}

function lineOf(path: string, verdict: Verdict): string {
  const name = printable(path);
  if (verdict.verdict === 'rejected') return `rejected  ${name}: ${verdict.reason.message}`;
  const faces = verdict.faces.map(({ box: { x, y, width, height }, maskProbability, unsure, rollDegrees }) => {
    const [left, top, wide, high] = [x, y, width, height].map(Math.round);
    return `  face ${wide}x${high} at ${left},${top}: P(mask) ${maskProbability.toFixed(2)}${unsure ? ' (unsure)' : ''}, roll ${Math.round(rollDegrees)} degrees`;
  });
  return [`${verdict.verdict.padEnd(8)}  ${name}`, ...faces].join('\n');
}
