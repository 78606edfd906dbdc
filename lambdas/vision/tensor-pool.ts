/** Lends a tensor for the time of some work. What is in it is left over from before: whoever borrows it writes all of it. */
export type TensorPool = <Result>(work: (tensor: Float32Array) => Promise<Result>) => Promise<Result>;

/**
 * Input tensors of one network, used again and again. A fresh one for every run (the detector's has 5 MB) would make the garbage collector
 * go through the whole heap once a photo. Holds as many as were ever lent at once. They lie in shared memory: a network that runs in another
 * thread reads them where they are.
 */
export function createTensorPool(length: number): TensorPool {
  const free: Float32Array[] = [];
  return async (work) => {
    const tensor = free.pop() ?? new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
    try {
      return await work(tensor);
    } finally {
      free.push(tensor);
    }
  };
}
