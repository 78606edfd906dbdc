/** Something is wrong with the models on disk; the message says what to do about it. */
export class ModelError extends Error {
  readonly code:
    | 'models-missing'
    | 'models-invalid'
    | 'model-unknown'
    | 'model-missing'
    | 'model-altered'
    | 'telemetry';

  constructor(code: ModelError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ModelError';
    this.code = code;
  }
}

/** What helps against most of it. */
export const restore = 'Run `git checkout models/` in the project, or clone it again.';
