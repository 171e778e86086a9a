import { composed, isCatalog, queried, taken } from './lib/domain/first';
import { applyLook } from './lib/domain/look';
import { applyDensity } from './lib/domain/settings/density';

/*
 * The first picture stands in `index.html`: a search that can be typed into. The application is loaded once that has been
 * drawn, and takes over what was typed.
 */
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
await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
const { start } = await import('./main');
await composed(field, () => composing);
await start(target, () => taken(field));
