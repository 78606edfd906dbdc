import type { Plane, Raster } from '#image/raster.ts';
import type { Face } from './face.ts';
import type { Reason } from './reason.ts';

/** What the pipeline needs from the world. Adapters live in vision/, aws/ and scripts/local/; each is a function that returns one of these. */

export type StoredObject = { readonly bytes: Uint8Array; readonly etag: string; readonly versionId?: string };
export type ObjectSummary = {
  readonly key: string;
  readonly bytes: number;
  readonly etag: string;
  readonly lastModified: Date;
};
export type PutCondition = { readonly ifAbsent: true } | { readonly ifMatch: string };
export type PutOptions = { readonly contentType?: string; readonly condition?: PutCondition };

/** A bucket or a folder. Keys are as in S3: non-empty, '/'-separated, at most 1,024 bytes of UTF-8. */
export type Store = {
  /** The object, or undefined when there is none. One GET. */
  get(key: string, options?: { readonly versionId?: string }): Promise<StoredObject | undefined>;
  /** Size and entity tag without the body, or undefined when there is none. One HEAD. */
  head(key: string): Promise<(Omit<StoredObject, 'bytes'> & { readonly bytes: number }) | undefined>;
  /**
   * Writes the whole object or nothing; readers never see a part. One PUT. A condition that does not hold writes nothing and answers
   * 'conflict': ifAbsent when the key exists, ifMatch when its etag is another (or it is gone).
   */
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<{ readonly etag: string } | 'conflict'>;
  /** Every object under the prefix, in key order (by UTF-8 bytes); pages are fetched as you go (1,000 keys a LIST). */
  list(prefix: string): AsyncIterable<ObjectSummary>;
  /** Removing what is not there is no error. One DELETE. */
  delete(key: string): Promise<void>;
};

export type Message = {
  readonly id: string;
  readonly body: string;
  readonly receipt: string;
  readonly receiveCount: number;
};

/** At least once, in no order. A received message is hidden for the queue's visibility timeout, then comes again unless acknowledged. */
export type Queue = {
  /** Sends all bodies (SQS: batches of 10) or throws; after a throw some may have been sent. */
  send(bodies: readonly string[]): Promise<void>;
  /** Up to `max` (1..10) messages; waits up to `waitSeconds` (0..20) for the first. Empty when none came. */
  receive(max: number, waitSeconds: number): Promise<readonly Message[]>;
  /** The message is done; acknowledging twice is no error. */
  acknowledge(message: Message): Promise<void>;
  /** The message is not done: visible again after `delaySeconds` (0 = at once). */
  release(message: Message, delaySeconds?: number): Promise<void>;
};

/** Container formats that the pipeline reads and writes back as they came. */
export type PhotoFormat = 'jpeg' | 'png' | 'webp' | 'tiff' | 'avif';

/** What is known from the header, before decoding. `width` and `height` are those of the upright photo. */
export type PhotoHeader = {
  readonly format: PhotoFormat;
  readonly width: number;
  readonly height: number;
};

export type Rejection = { readonly rejected: Reason };

/** Decoded upright photo and what encoding it back needs. `raster` is 8-bit RGB or RGBA in the photo's own colour space. */
export type DecodedPhoto = PhotoHeader & {
  readonly raster: Raster;
  /** Opaque to the pipeline: colour profile, bit depth, chroma subsampling, quality estimate, greyness of the original. */
  readonly encoding: unknown;
};

export type Codec = {
  /** Header checks only: format, size, limits. Milliseconds. */
  inspect(bytes: Uint8Array): Promise<PhotoHeader | Rejection>;
  /** Full decode: upright (EXIF orientation applied). Tens of milliseconds per megapixel. */
  decode(bytes: Uint8Array): Promise<DecodedPhoto | Rejection>;
  /** Same format, size and colour profile as `like`, marked as synthetic in XMP, no EXIF (so no location). */
  encode(raster: Raster, like: DecodedPhoto): Promise<Uint8Array>;
};

export type Detector = {
  readonly model: ModelIdentity;
  /** Faces of an upright photo in its own pixels, highest score first. Several passes for photos over 1,280 px. */
  localise(raster: Raster): Promise<readonly Face[]>;
};

/** Result of one 256x256 crop. `region` is 1 where the face was restored, 0 elsewhere (same framing as the crop). */
export type UnmaskedCrop = { readonly unmasked: Raster; readonly region: Plane };

export type Unmasker = {
  readonly model: ModelIdentity;
  /** RGB raster of 256x256 aligned as geometry.ts `alignFace` says. */
  unmask(crop: Raster): Promise<UnmaskedCrop>;
};

export type Denoiser = {
  readonly model: ModelIdentity;
  /** Standard deviation of noise, of 255, above which the first stage runs. */
  readonly sigmaThreshold: number;
  /** Any size (tiles of 256 with overlap inside); same shape back; alpha untouched. */
  denoise(raster: Raster): Promise<Raster>;
};

export type ModelIdentity = { readonly name: string; readonly version: string; readonly sha256: string };

/** Time comes in through the door, so that tests own it. */
export type Clock = {
  /** Wall clock, for records. */
  now(): Date;
  /** Monotonic milliseconds, for timings. */
  milliseconds(): number;
};
