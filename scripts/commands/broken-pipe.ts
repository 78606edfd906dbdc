/**
 * A reader that goes away (`| head`) is no error. What a command does in its folder or bucket goes on, unheard; what it does for the reader
 * alone may ask `isHeard` whether to go on.
 */
export function forgiveBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** False once a write has met a closed pipe. */
export const isHeard = (): boolean => process.stdout.writable;
