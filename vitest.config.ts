import { defineConfig } from 'vitest/config';

// ONNX Runtime reports usage unless this is set before the first session; test workers inherit it. Photos are private.
process.env.ORT_DISABLE_TELEMETRY = '1';

const report = process.env.UNMASK_TEST_REPORT;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    reporters: report ? ['default', 'json'] : ['default'],
    ...(report && { outputFile: { json: report } }),
  },
});
