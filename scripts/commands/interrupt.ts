/**
 * Ctrl-C once: `aborted` becomes true and the photos in hand are finished. Twice: the process ends at once; files are written whole or
 * not at all, so the next run finds nothing half done.
 */
export function listenForInterrupt(message = 'Finishing the photos in hand; Ctrl-C again stops at once.'): AbortSignal {
  const controller = new AbortController();
  const listen = (signal: 'SIGINT' | 'SIGTERM', exitCode: number) => {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(exitCode);
      controller.abort();
      console.error(`\n${message}`);
    });
  };
  listen('SIGINT', 130);
  listen('SIGTERM', 143);
  return controller.signal;
}
