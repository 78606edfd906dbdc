import { expect, test } from 'vitest';
import { catalogueEnvironment, readEnvironment, unmaskEnvironment } from '../../lambdas/environment.ts';

test('a complete environment is read as what it means', () => {
  const environment = {
    PHOTOS_BUCKET: 'photos',
    RESULTS_BUCKET: 'results',
    MODEL: 'rescnn',
    DENOISE: 'region',
    MAX_MEGAPIXELS: '50',
    TIME_GUARD_SECONDS: '30',
    MODELS_FOLDER: '/var/task/models',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1769',
  };
  expect(readEnvironment(unmaskEnvironment, environment)).toMatchObject({
    MAX_MEGAPIXELS: 50,
    TIME_GUARD_SECONDS: 30,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: 1769,
  });
});

test('what is missing is named', () => {
  expect(() => readEnvironment(catalogueEnvironment, {})).toThrow(/RESULTS_BUCKET/);
});
