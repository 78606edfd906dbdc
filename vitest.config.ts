import { defineConfig } from 'vitest/config';

// ONNX Runtime reports usage unless this is set before the first session; test workers inherit it. Photos are private.
process.env.ORT_DISABLE_TELEMETRY = '1';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'forks',
  },
});
