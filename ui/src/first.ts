import { composed, isCatalog, queried, taken } from './lib/domain/first';
import { applyLook } from './lib/domain/look';
import { applyDensity } from './lib/domain/settings/density';

/*
 * The first picture stands in `index.html`: a search that can be typed into. The application is loaded once that has been
 * drawn, and takes over what was typed.
 */
/** How long a picture is waited for, in milliseconds. */
const LONGEST_FRAME = 500;

applyLook();
applyDensity();
const target = document.getElementById('app');
const field = document.querySelector<HTMLInputElement>('#first-search');
if (target === null || field === null) {
  throw new Error('the page has no place for the application');
}
let composing = false;
field.addEventListener('compositionstart', () => (composing = true));
field.addEventListener('compositionend', () => (composing = false));
if (isCatalog(location.hash)) {
  field.value ||= queried(location.hash);
} else {
  // Another place was asked for: nobody wants to search there.
  target.replaceChildren();
}
// A page that nobody sees yet is not drawn.
await new Promise((drawn) => {
  requestAnimationFrame(() => setTimeout(drawn));
  setTimeout(drawn, LONGEST_FRAME);
});
try {
  const { start } = await import('./main');
  await start(
    target,
    () => composed(field, () => composing),
    () => taken(field),
  );
} catch (thrown) {
  target.removeAttribute('aria-busy');
  const note = document.createElement('p');
  note.setAttribute('role', 'alert');
  note.textContent = 'Belay’s pages cannot be loaded. Is `belay web` still running? Reload this page once it is.';
  (document.querySelector('.first .search-head') ?? target).append(note);
  throw thrown;
}
