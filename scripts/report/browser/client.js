// Runs inside report.html, which carries this file as it is (build-report.ts): no imports, no network, nothing to compile.
// Types are checked with `tsc -p scripts/report/browser`.

/**
 * @import { FaceRow, PhotoRow } from '../photo-row.ts'
 * @typedef {{ photo: PhotoRow, face?: FaceRow }} Card
 * @typedef {string | Node | undefined | false} Child
 * @typedef {{ name: string, short: string, value: (photo: PhotoRow) => number | string | null, text: (photo: PhotoRow) => string, worst: 'low' | 'high' }} Measure
 */

/** @param {string} id */
const byId = (id) => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`Expected an element #${id} in the report.`);
  return found;
};

/** @type {readonly PhotoRow[]} */
const photos = JSON.parse(byId('report-data').textContent ?? '[]');

// Numbers of a photo. A photo with several faces is listed with its worst.

/** @param {number | null | undefined} value @param {number} digits */
const fixed = (value, digits) => (value === null || value === undefined ? '\u2013' : value.toFixed(digits));

/** @param {number | null} milliseconds */
const duration = (milliseconds) => {
  if (milliseconds === null) return '\u2013';
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
};

/** @param {PhotoRow} photo @param {(face: FaceRow) => number | null | undefined} measure @param {'low' | 'high'} worst */
const worstOf = (photo, measure, worst) => {
  const values = photo.faces.map(measure).filter((value) => value !== null && value !== undefined);
  if (values.length === 0) return null;
  return worst === 'low' ? Math.min(...values) : Math.max(...values);
};

/** @param {(face: FaceRow) => number | null | undefined} measure @param {'low' | 'high'} worst @param {number} digits */
const faceMeasure = (measure, worst, digits) => {
  /** @param {PhotoRow} photo */
  const value = (photo) => worstOf(photo, measure, worst);
  /** @param {PhotoRow} photo */
  const text = (photo) => fixed(value(photo), digits);
  return { value, worst, text };
};

const measured = photos.some(({ faces }) => faces.some(({ quality }) => quality !== null));

/** @type {Readonly<Record<string, Measure>>} */
const measures = {
  name: { name: 'Name', short: 'Photo', value: ({ name }) => name, text: ({ name }) => name, worst: 'low' },
  status: {
    name: 'Status',
    short: 'Status',
    value: ({ status }) => status,
    text: ({ status }) => status,
    worst: 'low',
  },
  faces: {
    name: 'Faces unmasked',
    short: 'Faces',
    value: ({ faces }) => faces.length,
    text: ({ faces, faceCount }) => (faceCount === 0 ? '\u2013' : `${faces.length} of ${faceCount}`),
    worst: 'high',
  },
  ...(measured && {
    psnr: {
      name: 'PSNR under the mask',
      short: 'PSNR, mask',
      ...faceMeasure(({ quality }) => quality?.regionPsnr, 'low', 1),
    },
    ssim: {
      name: 'SSIM under the mask',
      short: 'SSIM, mask',
      ...faceMeasure(({ quality }) => quality?.regionSsim, 'low', 3),
    },
    photoPsnr: {
      name: 'PSNR, whole photo',
      short: 'PSNR, photo',
      ...faceMeasure(({ quality }) => quality?.psnr, 'low', 1),
    },
  }),
  seam: { name: 'Visibility of the seam', short: 'Seam', ...faceMeasure(({ seam }) => seam, 'high', 2) },
  noise: { name: 'Noise', short: 'Noise', ...faceMeasure(({ noiseSigma }) => noiseSigma, 'high', 1) },
  time: {
    name: 'Time',
    short: 'Time',
    value: ({ milliseconds }) => milliseconds,
    text: ({ milliseconds }) => duration(milliseconds),
    worst: 'high',
  },
  pixels: {
    name: 'Size in pixels',
    short: 'Pixels',
    value: ({ width, height }) => (width === null || height === null ? null : width * height),
    text: ({ width, height }) => (width === null ? '\u2013' : `${width}\u00d7${height}`),
    worst: 'high',
  },
};

// What is shown

const state = { status: 'all', text: '', sort: 'name', descending: false, view: 'gallery' };

const haystacks = new Map(
  photos.map((photo) => {
    const { name, status, reason, format } = photo;
    return [photo, [name, status, reason?.code, reason?.message, format].join('\n').toLowerCase()];
  }),
);

const collator = new Intl.Collator('en', { numeric: true });

const chosenPhotos = () => {
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = photos.filter((photo) => {
    if (state.status !== 'all' && photo.status !== state.status) return false;
    const haystack = haystacks.get(photo) ?? '';
    return words.every((word) => haystack.includes(word));
  });
  const measure = measures[state.sort];
  if (!measure) return chosen;
  const keyed = chosen.map((photo) => ({ photo, value: measure.value(photo) }));
  keyed.sort((a, b) => {
    // What was not measured comes last whichever way the list runs.
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    const order =
      typeof a.value === 'number' && typeof b.value === 'number'
        ? a.value - b.value
        : collator.compare(String(a.value), String(b.value));
    return state.descending ? -order : order;
  });
  return keyed.map(({ photo }) => photo);
};

// Elements. Text is only ever set as text.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string | number | undefined>>} attributes
 * @param {readonly Child[]} children
 */
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== undefined && child !== false) element.append(child);
  return element;
};

/** @param {string} base64 */
const pictureUrl = (base64) => `data:image/webp;base64,${base64}`;

/** @param {PhotoRow} photo */
const title = ({ name }) => make('p', { class: 'name', title: name }, make('bdi', {}, name));

/** @param {string | undefined} url @param {string} text @param {string} name */
const link = (url, text, name) => url !== undefined && make('a', { href: url, 'aria-label': `${text}: ${name}` }, text);

/** @param {string} status */
const statusBadge = (status) =>
  make('span', { class: 'status' }, make('span', { class: `dot ${status}`, 'aria-hidden': 'true' }), status);

// Gallery

/** @param {readonly PhotoRow[]} chosen @returns {readonly Card[]} */
const cardsOf = (chosen) =>
  chosen.flatMap((photo) => (photo.faces.length === 0 ? [{ photo }] : photo.faces.map((face) => ({ photo, face }))));

/** @param {Card} card */
const cardElement = ({ photo, face }) => {
  const { name, status, reason, unmaskedUrl, metricsUrl, faceCount } = photo;
  const numbered = face && faceCount > 1 ? `, face ${face.number} of ${faceCount}` : '';
  return make(
    'li',
    { class: 'card' },
    face ? faceFrame(photo, face, `${name}${numbered}`) : stillFrame(photo),
    title(photo),
    make('p', { class: 'facts' }, face ? faceFacts(face, numbered) : statusBadge(status)),
    reason && (face || photo.still !== undefined) && make('p', { class: 'facts' }, reason.message),
    make('p', { class: 'links' }, link(unmaskedUrl, 'Unmasked photo', name), link(metricsUrl, 'Metrics', name)),
  );
};

/** @param {FaceRow} face @param {string} numbered */
const faceFacts = ({ quality, seam, denoised, unsure, maskCoverage }, numbered) =>
  [
    numbered.slice(2),
    quality && `PSNR ${quality.regionPsnr === null ? '\u221e' : `${fixed(quality.regionPsnr, 1)} dB`}`,
    quality && `SSIM ${fixed(quality.regionSsim, 2)}`,
    seam !== null && `seam ${fixed(seam, 2)}`,
    !quality && maskCoverage !== null && `covered ${Math.round(100 * maskCoverage)} %`,
    denoised && 'denoised',
    unsure && 'unsure of the mask',
  ]
    .filter(Boolean)
    .join(' \u00b7 ');

/** @param {PhotoRow} photo @param {FaceRow} face @param {string} label */
const faceFrame = (photo, face, label) => {
  const { before, after } = face;
  if (before !== undefined && after !== undefined) return slider(before, after, label);
  const picture =
    after === undefined
      ? linkedPicture(photo, face, `${label}, unmasked`)
      : make('img', { src: pictureUrl(after), alt: `${label}, unmasked`, decoding: 'async' });
  if (!picture) return make('p', { class: 'frame empty-frame' }, 'No picture here; follow the link below.');
  return make('div', { class: 'frame' }, picture, make('span', { class: 'tag right' }, 'After, imagined'));
};

/** @param {string} before @param {string} after @param {string} label */
const slider = (before, after, label) => {
  const input = make('input', {
    type: 'range',
    min: 0,
    max: 100,
    value: 50,
    'aria-label': `Before and after: ${label}`,
  });
  const frame = make(
    'div',
    { class: 'frame compare' },
    make('img', { class: 'before', src: pictureUrl(before), alt: '', decoding: 'async' }),
    make('img', { class: 'after', src: pictureUrl(after), alt: '', decoding: 'async' }),
    input,
    make('span', { class: 'divider' }),
    make('span', { class: 'tag left' }, 'Before'),
    make('span', { class: 'tag right' }, 'After, imagined'),
  );
  const follow = () => {
    frame.style.setProperty('--at', `${input.value}%`);
    input.setAttribute('aria-valuetext', `${input.value} % before, ${100 - Number(input.value)} % after`);
  };
  input.addEventListener('input', follow);
  follow();
  return frame;
};

/** The face's square of the file in unmasked/, where no small picture is embedded. @param {PhotoRow} photo @param {FaceRow} face @param {string} alt */
const linkedPicture = ({ unmaskedUrl, width, height }, { view }, alt) => {
  if (unmaskedUrl === undefined || !view || width === null || height === null) return undefined;
  const image = make('img', { class: 'linked', alt, loading: 'lazy', decoding: 'async', src: unmaskedUrl });
  image.style.width = `${(100 * width) / view.width}%`;
  image.style.height = `${(100 * height) / view.height}%`;
  image.style.left = `${(-100 * view.x) / view.width}%`;
  image.style.top = `${(-100 * view.y) / view.height}%`;
  return image;
};

/** @param {PhotoRow} photo */
const stillFrame = ({ still, name, reason, status }) =>
  still === undefined
    ? make('p', { class: 'frame empty-frame' }, reason?.message ?? `${status}: no picture here`)
    : make(
        'div',
        { class: 'frame still' },
        make('img', { src: pictureUrl(still), alt: `${name}, as it was given`, decoding: 'async' }),
      );

// Table

/** @param {PhotoRow} photo @param {number} position */
const rowElement = (photo, position) => {
  const { name, status, reason, unmaskedUrl, metricsUrl, still, faces } = photo;
  const picture = faces[0]?.after ?? still;
  const cells = Object.entries(measures)
    .slice(2)
    .map(([, { text }]) => make('td', { class: 'number' }, text(photo)));
  return make(
    'tr',
    { 'aria-rowindex': position + 2 },
    make(
      'td',
      {},
      picture !== undefined && make('img', { class: 'thumb', src: pictureUrl(picture), alt: '', decoding: 'async' }),
    ),
    make(
      'th',
      { scope: 'row' },
      make('span', { class: 'name', title: name }, make('bdi', {}, name)),
      reason && make('span', { class: 'reason' }, reason.message),
    ),
    make('td', {}, statusBadge(status)),
    ...cells,
    make(
      'td',
      { class: 'links-cell' },
      link(unmaskedUrl, 'Unmasked', name),
      unmaskedUrl !== undefined && make('br'),
      link(metricsUrl, 'Metrics', name),
    ),
  );
};

const tableHead = () => {
  const sortable = Object.entries(measures).map(([key, { short, name }], index) => {
    const button = make('button', { type: 'button', title: `Sort by: ${name}` }, short);
    button.addEventListener('click', () => {
      if (state.sort === key) state.descending = !state.descending;
      else sortBy(key);
      show();
      /** @type {HTMLElement | null} */ (document.querySelector(`th[data-sort="${key}"] button`))?.focus();
    });
    const sorted = state.sort === key ? (state.descending ? 'descending' : 'ascending') : undefined;
    return make(
      'th',
      { scope: 'col', class: index > 1 ? 'number' : undefined, 'data-sort': key, 'aria-sort': sorted },
      button,
    );
  });
  return make(
    'thead',
    {},
    make(
      'tr',
      { 'aria-rowindex': 1 },
      make('td', {}),
      ...sortable,
      make('th', { scope: 'col', class: 'links-cell' }, 'Files'),
    ),
  );
};

const tableColumns = () => {
  const numbers = Object.keys(measures)
    .slice(2)
    .map((key) => (key === 'pixels' ? 'wide' : 'number'));
  const columns = ['picture', 'name', 'status', ...numbers, 'links'];
  return make('colgroup', {}, ...columns.map((column) => make('col', { class: `column-${column}` })));
};

// A long list is cut into chunks. A chunk has its content while it is near the window and keeps its height when it is not, so a list
// of any length costs what one screen costs, and Tab, find-in-page of what is near, and screen readers work as in a plain list.

/**
 * @typedef {object} Chunk
 * @property {HTMLElement} element
 * @property {number} items
 * @property {boolean} filled
 * @property {() => readonly Node[]} content
 * @property {(height: number) => void} hold Takes the content out and stands in for it
 */

/** Filled this far above and below the window, so that neither scrolling nor Tab meets an empty place. */
const nearPixels = 1500;

/** @type {{ chunks: readonly Chunk[], observer: IntersectionObserver | undefined, itemHeight: number }} */
const list = { chunks: [], observer: undefined, itemHeight: 0 };

/** @param {Chunk} chunk */
const fill = (chunk) => {
  if (chunk.filled) return;
  chunk.element.style.height = '';
  chunk.element.replaceChildren(...chunk.content());
  chunk.filled = true;
};

/** @param {Chunk} chunk @param {number} height What it has now; to ask for it between two changes would lay the page out each time. */
const empty = (chunk, height) => {
  if (!chunk.filled || chunk.element.contains(document.activeElement)) return;
  list.itemHeight = height / chunk.items;
  chunk.hold(height);
  chunk.filled = false;
};

/** @param {readonly Chunk[]} chunks */
const watch = (chunks) => {
  list.observer?.disconnect();
  list.chunks = chunks;
  const [first] = chunks;
  if (!first) return;
  fill(first);
  list.itemHeight = first.element.getBoundingClientRect().height / first.items;
  for (const chunk of chunks) if (!chunk.filled) chunk.hold(list.itemHeight * chunk.items);
  const byElement = new Map(chunks.map((chunk) => [chunk.element, chunk]));
  list.observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting, boundingClientRect } of entries) {
        const chunk = byElement.get(/** @type {HTMLElement} */ (target));
        if (chunk && isIntersecting) fill(chunk);
        else if (chunk) empty(chunk, boundingClientRect.height);
      }
    },
    { rootMargin: `${nearPixels}px 0px` },
  );
  for (const { element } of chunks) list.observer.observe(element);
};

/** @template Item @param {readonly Item[]} items @param {number} length */
const slices = (items, length) =>
  Array.from({ length: Math.ceil(items.length / length) }, (_, index) => ({
    start: index * length,
    part: items.slice(index * length, (index + 1) * length),
  }));

/** Divides by 2 to 6, so that no row of the grid is broken where two chunks meet. */
const cardsPerChunk = 60;
const rowsPerChunk = 50;

/** @param {readonly PhotoRow[]} chosen */
const galleryChunks = (chosen) =>
  slices(cardsOf(chosen), cardsPerChunk).map(({ part, start }) => {
    const element = make('ul', { class: 'cards', 'aria-label': `Pictures ${start + 1} to ${start + part.length}` });
    return {
      element,
      items: part.length,
      filled: false,
      content: () => part.map(cardElement),
      /** @param {number} height */
      hold: (height) => {
        element.replaceChildren();
        element.style.height = `${height}px`;
      },
    };
  });

/** @param {readonly PhotoRow[]} chosen */
const tableChunks = (chosen) =>
  slices(chosen, rowsPerChunk).map(({ part, start }) => {
    const element = make('tbody');
    return {
      element,
      items: part.length,
      filled: false,
      content: () => part.map((photo, index) => rowElement(photo, start + index)),
      /** @param {number} height */
      hold: (height) => {
        const gap = make('td', { class: 'gap', colspan: Object.keys(measures).length + 2 });
        gap.style.height = `${height}px`;
        element.replaceChildren(make('tr', { 'aria-hidden': 'true' }, gap));
      },
    };
  });

// Controls

const sortSelect = /** @type {HTMLSelectElement} */ (byId('sort'));
const directionButton = byId('direction');
const textInput = /** @type {HTMLInputElement} */ (byId('text'));

/** Starts with the worst. @param {string} key */
const sortBy = (key) => {
  state.sort = key;
  state.descending = measures[key]?.worst === 'high';
};

/** @param {string} name @param {string} value */
const check = (name, value) => {
  const radio = document.querySelector(`input[name="${name}"][value="${value}"]`);
  if (radio instanceof HTMLInputElement) radio.checked = true;
};

const show = () => {
  const chosen = chosenPhotos();
  sortSelect.value = state.sort;
  directionButton.textContent = state.descending ? 'Descending \u2193' : 'Ascending \u2191';
  byId('shown').textContent =
    chosen.length === photos.length
      ? `All ${photos.length.toLocaleString('en')} photos`
      : `${chosen.length.toLocaleString('en')} of ${photos.length.toLocaleString('en')} photos`;
  if (chosen.length === 0) {
    list.observer?.disconnect();
    list.chunks = [];
    byId('list').replaceChildren(
      make('p', { class: 'nothing' }, photos.length === 0 ? 'No photo yet.' : 'No photo fits this choice.'),
    );
    return;
  }
  const chunks = state.view === 'table' ? tableChunks(chosen) : galleryChunks(chosen);
  const elements = chunks.map(({ element }) => element);
  if (state.view === 'table') {
    const table = make(
      'table',
      { 'aria-rowcount': chosen.length + 1, 'aria-labelledby': 'photos-title' },
      tableColumns(),
      tableHead(),
      ...elements,
    );
    byId('list').replaceChildren(
      make('div', { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': 'Table of photos' }, table),
    );
  } else {
    byId('list').replaceChildren(...elements);
  }
  watch(chunks);
};

/** A new choice is shown from its start. */
const showFromStart = () => {
  show();
  if (byId('photos').getBoundingClientRect().top < 0) byId('photos').scrollIntoView();
};

for (const [key, { name }] of Object.entries(measures)) sortSelect.append(make('option', { value: key }, name));
sortSelect.addEventListener('change', () => {
  sortBy(sortSelect.value);
  showFromStart();
});
directionButton.addEventListener('click', () => {
  state.descending = !state.descending;
  showFromStart();
});
textInput.addEventListener('input', () => {
  state.text = textInput.value;
  showFromStart();
});
for (const name of /** @type {const} */ (['status', 'view'])) {
  for (const radio of document.querySelectorAll(`input[name="${name}"]`)) {
    radio.addEventListener('change', () => {
      if (radio instanceof HTMLInputElement) state[name] = radio.value;
      showFromStart();
    });
  }
}
for (const button of document.querySelectorAll('button[data-status]')) {
  button.addEventListener('click', () => {
    state.status = button.getAttribute('data-status') ?? 'all';
    state.text = button.getAttribute('data-text') ?? '';
    state.view = 'table';
    textInput.value = state.text;
    check('status', state.status);
    check('view', state.view);
    show();
    byId('photos').scrollIntoView();
    byId('photos').focus({ preventScroll: true });
  });
}

const toolbar = document.querySelector('.toolbar');
toolbar?.removeAttribute('hidden');
toolbar?.addEventListener('submit', (event) => event.preventDefault());

let knownWidth = window.innerWidth;
window.addEventListener('resize', () => {
  if (window.innerWidth === knownWidth) return;
  knownWidth = window.innerWidth;
  const [filled] = list.chunks.filter((chunk) => chunk.filled);
  if (!filled) return;
  list.itemHeight = filled.element.getBoundingClientRect().height / filled.items;
  for (const chunk of list.chunks) if (!chunk.filled) chunk.hold(list.itemHeight * chunk.items);
});

/** On paper there is no scrolling: this many cards or rows are printed, the rest is said to be missing. */
const printedItems = 300;

window.addEventListener('beforeprint', () => {
  list.observer?.disconnect();
  let printed = 0;
  for (const chunk of list.chunks) {
    chunk.element.hidden = printed >= printedItems;
    if (chunk.element.hidden) continue;
    fill(chunk);
    printed += chunk.items;
  }
  const all = list.chunks.reduce((total, { items }) => total + items, 0);
  byId('print-note').textContent =
    `Printed: the first ${printed} of ${all.toLocaleString('en')}. Filter the list to print others.`;
  byId('print-note').hidden = printed === all;
});
window.addEventListener('afterprint', () => {
  byId('print-note').hidden = true;
  for (const { element } of list.chunks) element.hidden = false;
  watch(list.chunks);
});

show();
document.documentElement.dataset.ready = String(Math.round(performance.now()));

export {};
