// Stands for Lambda's runtime in one process: loads the handler that the image's CMD names, and calls it for every message.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, command] = process.argv.slice(2);
const [file, name] = command.split('.');
const { [name]: handler } = await import(pathToFileURL(join(folder, `${file}.mjs`)).href);

process.on('message', async ({ event, functionName, timeoutMs, traceHeader }) => {
  process.env._X_AMZN_TRACE_ID = traceHeader;
  const deadline = Date.now() + timeoutMs;
  const context = {
    functionName,
    awsRequestId: 'e4b46cbf-b738-4880-8880-a18cdf61200e',
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  try {
    const result = await handler(event, context);
    process.send({ result });
  } catch (error) {
    process.send({ error: error.stack ?? String(error) });
  }
});
