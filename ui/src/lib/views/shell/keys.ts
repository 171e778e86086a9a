import type { Actions } from '../../domain/actions.svelte';

/** Roles whose keys are their own: letters type ahead in them, arrows move. */
const TYPING =
  'input:not([type="checkbox"], [type="radio"], [type="button"]), textarea, select, [contenteditable="true"]';

/**
 * Hands a key to the actions of the page. Nothing happens while somebody types (but Escape leaves the field), while a
 * dialog is open, or with a modifier that belongs to the browser.
 */
export function handleKey(event: KeyboardEvent, actions: Actions): void {
  if (event.defaultPrevented || event.isComposing) {
    return;
  }
  const modified = event.ctrlKey || event.metaKey;
  if (modified && !event.altKey) {
    // Of the keys with a modifier only those that an action asks for are taken from the browser.
    if (actions.press(`Mod+${event.key.toLowerCase()}`, event.timeStamp)) {
      event.preventDefault();
    }
    return;
  }
  if (event.altKey || document.querySelector('[role="dialog"], [role="alertdialog"]') !== null) {
    return;
  }
  const target = event.composedPath()[0];
  if (target instanceof Element) {
    if (target.closest(TYPING) !== null || target.closest('.cm-editor') !== null) {
      if (event.key === 'Escape' && target instanceof HTMLElement && target.closest('.cm-editor') === null) {
        target.blur();
        event.preventDefault();
      }
      return;
    }
    const pressable = target.closest('a, button, summary, [role="tab"], [role="menuitem"], [role="option"]') !== null;
    if (pressable && (event.key === 'Enter' || event.key === ' ')) {
      return;
    }
  }
  if (actions.press(event.key, event.timeStamp)) {
    event.preventDefault();
  }
}
