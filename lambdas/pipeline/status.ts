/** What became of a photo: a closed set; every upload ends in exactly one. */
export const statuses = ['unmasked', 'bare', 'no-face', 'rejected', 'failed'] as const;

export type Status = (typeof statuses)[number];
