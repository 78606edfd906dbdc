import { manifestJsonSchema } from '#pipeline/manifest.ts';
import { metricsRecordJsonSchema } from '#pipeline/metrics-record.ts';

/** `unmask schema`: the contract with other people's scripts, for validators and code generators. */
export function schema({ manifest = false }: { readonly manifest?: boolean } = {}): void {
  console.log(JSON.stringify(manifest ? manifestJsonSchema() : metricsRecordJsonSchema(), null, 2));
}
