import type { Document as Text } from '../../backend/api';

/** Hands a document to the browser to save. */
export function download(text: Text): void {
  const url = URL.createObjectURL(new Blob([text.text], { type: `${text.media_type};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  link.download = text.name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
