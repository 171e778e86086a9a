/** How much room everything takes. */
export type Density = 'roomy' | 'dense';

const KEY = 'belay.density';
/** Every size of the page follows the root's font. */
const SIZES: Record<Density, string> = { roomy: '', dense: '90%' };

/** The density that was chosen on this device. */
export function density(): Density {
  try {
    return localStorage.getItem(KEY) === 'dense' ? 'dense' : 'roomy';
  } catch {
    return 'roomy';
  }
}

/** Shows the page as it was chosen. */
export function applyDensity(chosen: Density = density()): void {
  document.documentElement.style.fontSize = SIZES[chosen];
}

/** Chooses a density; where nothing can be kept it lasts as long as the page. */
export function chooseDensity(chosen: Density): void {
  applyDensity(chosen);
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is full or forbidden.
  }
}
