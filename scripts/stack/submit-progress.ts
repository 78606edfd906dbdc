import { printable } from '../commands/printable.ts';
import { createProgress, type Progress } from '../commands/progress.ts';
import { countText, pluralText } from '../report/numbers.ts';

export type Uploaded = {
  readonly key: string;
  readonly bytes: number /** It was there already. */;
  readonly skipped: boolean;
};

export type SubmitProgress = Progress & {
  uploaded(upload: Uploaded): void;
  /** All that could be uploaded is. */
  allUploaded(): void;
};

/** Uploads and results, which overlap: one line on a terminal, lines elsewhere (both on standard error), NDJSON with `json`. */
export function createSubmitProgress(total: number, json: boolean): SubmitProgress {
  const stream = process.stderr;
  const live = stream.isTTY && !json;
  const results = createProgress({ total, json, follow: true });
  const counts = new Map<string, number>();
  let uploads = 0;
  let skipped = 0;
  let bytes = 0;

  const show = () => {
    if (!live) return;
    const done = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const each = [...counts].map(([status, count]) => `${countText(count)} ${status}`).join(', ');
    const line = `${countText(uploads)}/${countText(total)} uploaded, ${countText(done)}/${countText(total)} done${each && `: ${each}`}`;
    const width = (stream.columns || 80) - 1;
    stream.write(`\r${line.slice(0, width).padEnd(width)}`);
  };

  return {
    uploaded(upload) {
      uploads++;
      if (upload.skipped) skipped++;
      else bytes += upload.bytes;
      if (json) process.stdout.write(`${JSON.stringify({ event: 'upload', ...upload })}\n`);
      show();
    },
    allUploaded() {
      if (json || live) return;
      const there = skipped > 0 ? `; ${countText(skipped)} were there already` : '';
      stream.write(`${pluralText(uploads - skipped, 'photo')} uploaded, ${(bytes / 1e6).toFixed(1)} MB${there}\n`);
    },
    settled(photo) {
      const { status } = photo.record;
      counts.set(status, (counts.get(status) ?? 0) + 1);
      if (live) show();
      else results.settled(photo);
    },
    stop() {
      results.stop();
      if (live) stream.write('\n');
    },
  };
}

/** What could not be uploaded, said at once. */
export function warnNotUploaded(file: string, message: string): void {
  console.error(`warning: ${printable(file)} was not uploaded: ${printable(message)}`);
}
