/**
 * Monaco and the dialogs write their themes into <style> elements of their own making. The policy of this page takes only
 * styles that carry the nonce of the response, so every <style> is given it at birth. Imported before anything else.
 */
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? ''
const createElement = Document.prototype.createElement

Document.prototype.createElement = function (this: Document, name: string, options?: ElementCreationOptions) {
  const element = createElement.call(this, name, options)
  if (element instanceof HTMLStyleElement) element.nonce = nonce
  return element
} as typeof createElement
