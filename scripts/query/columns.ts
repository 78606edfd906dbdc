/** A column of a table that SQL sees: what it is made of, in SQL over a metrics record as `read_json` gives it, and what it says. */
export type Column = {
  readonly name: string;
  readonly type: string;
  readonly from: string;
  readonly says: string;
};

/** `photos` has the newest record of each photo; `versions` the newest of each version of each photo, and `newest`. */
export const photoColumns: readonly Column[] = [
  { name: 'path', type: 'VARCHAR', from: 'substr(photo."key", 8)', says: 'key without `photos/`' },
  { name: 'status', type: 'VARCHAR', from: 'status', says: 'unmasked, bare, no-face, rejected or failed' },
  { name: 'reason_code', type: 'VARCHAR', from: 'reason.code', says: 'stable code of the reason, null without one' },
  { name: 'reason', type: 'VARCHAR', from: 'reason.message', says: 'the reason as a sentence' },
  { name: 'faces', type: 'INTEGER', from: 'len(faces)', says: 'localised faces, bare ones too' },
  { name: 'masked_faces', type: 'INTEGER', from: countOf('face.masked'), says: 'faces that wear a mask' },
  { name: 'unmasked_faces', type: 'INTEGER', from: countOf('face.seam IS NOT NULL'), says: 'faces that were restored' },
  {
    name: 'region_psnr',
    type: 'DOUBLE',
    from: lowest('regionPsnr'),
    says: 'dB, pixels under the mask, the worst face',
  },
  { name: 'region_ssim', type: 'DOUBLE', from: lowest('regionSsim'), says: 'pixels under the mask, the worst face' },
  { name: 'psnr', type: 'DOUBLE', from: lowest('psnr'), says: 'dB, whole photo; null without a reference' },
  { name: 'ssim', type: 'DOUBLE', from: lowest('ssim'), says: 'whole photo; null without a reference' },
  {
    name: 'seam',
    type: 'DOUBLE',
    from: 'list_max(list_transform(faces, lambda face: face.seam))',
    says: 'the most visible border of a restored region; about 1 is invisible',
  },
  { name: 'bytes', type: 'BIGINT', from: 'photo.bytes', says: "the upload's size" },
  { name: 'width', type: 'INTEGER', from: 'photo.width', says: 'upright pixels, null when unreadable' },
  { name: 'height', type: 'INTEGER', from: 'photo.height', says: 'upright pixels, null when unreadable' },
  { name: 'format', type: 'VARCHAR', from: 'photo.format', says: 'jpeg, png, webp, tiff or avif' },
  { name: 'total_ms', type: 'DOUBLE', from: "timings['totalMs']", says: 'milliseconds of all stages' },
  {
    name: 'timings',
    type: 'MAP(VARCHAR, DOUBLE)',
    from: 'timings',
    says: "milliseconds by stage: `timings['decodeMs']`; with waiting for the photos worked on at the same time, so their sum can exceed the run",
  },
  { name: 'cost_usd', type: 'DOUBLE', from: 'cost.usd', says: 'null where nobody is billed' },
  { name: 'model', type: 'VARCHAR', from: 'model.name', says: 'the unmasker' },
  { name: 'model_version', type: 'VARCHAR', from: 'model.version', says: 'its version' },
  { name: 'model_sha256', type: 'VARCHAR', from: 'model.sha256', says: 'its file' },
  { name: 'created_at', type: 'TIMESTAMPTZ', from: 'createdAt', says: 'when the record was made; UTC' },
  { name: 'key', type: 'VARCHAR', from: 'photo."key"', says: 'key in the photos bucket' },
  { name: 'version_id', type: 'VARCHAR', from: 'photo.versionId', says: "S3's version; null locally" },
  { name: 'etag', type: 'VARCHAR', from: 'photo.etag', says: "the upload's entity tag; sha256 locally" },
  {
    name: 'unmasked_key',
    type: 'VARCHAR',
    from: 'unmasked."key"',
    says: 'key of the unmasked photo, null without one',
  },
  { name: 'unmasked_bytes', type: 'BIGINT', from: 'unmasked.bytes', says: 'its size' },
  { name: 'unmasked_sha256', type: 'VARCHAR', from: 'unmasked.sha256', says: 'its content' },
  { name: 'job_id', type: 'VARCHAR', from: 'jobId', says: 'upload, models and parameters' },
];

/** `faces` has a row for each localised face of `photos`: what tells the photo, then the face, of which `face` is the record's. */
export const faceColumns: readonly Column[] = [
  { name: 'path', type: 'VARCHAR', from: 'path', says: 'as in photos' },
  { name: 'status', type: 'VARCHAR', from: 'status', says: 'as in photos' },
  { name: 'number', type: 'INTEGER', from: 'number', says: '1 for the first face of the photo' },
  { name: 'masked', type: 'BOOLEAN', from: 'face.masked', says: 'wears a mask' },
  { name: 'unmasked', type: 'BOOLEAN', from: 'face.seam IS NOT NULL', says: 'was restored' },
  { name: 'x', type: 'DOUBLE', from: 'face.box.x', says: 'left edge, pixels of the upright photo' },
  { name: 'y', type: 'DOUBLE', from: 'face.box.y', says: 'top edge' },
  { name: 'width', type: 'DOUBLE', from: 'face.box.width', says: 'pixels' },
  { name: 'height', type: 'DOUBLE', from: 'face.box.height', says: 'pixels' },
  { name: 'score', type: 'DOUBLE', from: 'face.score', says: '0..1, how sure the detector is of the face' },
  { name: 'mask_probability', type: 'DOUBLE', from: 'face.maskProbability', says: '0..1' },
  {
    name: 'unsure',
    type: 'BOOLEAN',
    from: 'coalesce(face.unsure, false)',
    says: 'the detector abstains: `masked` is a guess',
  },
  { name: 'roll_degrees', type: 'DOUBLE', from: 'face.rollDegrees', says: 'clockwise, 0 is upright' },
  { name: 'mask_coverage', type: 'DOUBLE', from: 'face.maskCoverage', says: 'restored area / area of the box' },
  { name: 'noise_sigma', type: 'DOUBLE', from: 'face.noiseSigma', says: 'estimated noise, of 255' },
  { name: 'denoised', type: 'BOOLEAN', from: 'face.denoised', says: 'cleaned before it was restored' },
  { name: 'region_psnr', type: 'DOUBLE', from: 'face.quality.regionPsnr', says: 'dB, pixels under the mask' },
  { name: 'region_ssim', type: 'DOUBLE', from: 'face.quality.regionSsim', says: 'pixels under the mask' },
  { name: 'psnr', type: 'DOUBLE', from: 'face.quality.psnr', says: 'dB, whole photo; null without a reference' },
  { name: 'ssim', type: 'DOUBLE', from: 'face.quality.ssim', says: 'whole photo; null without a reference' },
  { name: 'psnr_eq8', type: 'DOUBLE', from: 'face.quality.psnrEq8', says: "dB, the paper's equation 8" },
  { name: 'seam', type: 'DOUBLE', from: 'face.seam', says: 'visibility of the border; about 1 is invisible' },
  { name: 'created_at', type: 'TIMESTAMPTZ', from: 'created_at', says: 'as in photos' },
  { name: 'key', type: 'VARCHAR', from: 'key', says: 'as in photos' },
];

export const tableNames = ['photos', 'faces', 'versions'] as const;

function countOf(condition: string): string {
  return `len(list_filter(faces, lambda face: ${condition}))`;
}

function lowest(measure: string): string {
  return `list_min(list_transform(faces, lambda face: face.quality.${measure}))`;
}
