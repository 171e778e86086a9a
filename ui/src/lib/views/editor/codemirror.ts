import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import {
  bracketMatching,
  codeFolding,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from '@codemirror/language';
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';

import type { FindingView } from '../../backend/api';

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--accent)', fontWeight: '600' },
  { tag: [tags.string, tags.attributeValue], color: 'var(--ink)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--run)' },
  { tag: tags.comment, color: 'var(--ink-3)', fontStyle: 'italic' },
  { tag: [tags.labelName, tags.typeName, tags.meta], color: 'var(--stuck)' },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: 'var(--ink-3)' },
  { tag: tags.invalid, color: 'var(--bad)' },
]);

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '0.8125rem', backgroundColor: 'var(--surface)', color: 'var(--ink)' },
  '&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.6' },
  '.cm-content': { padding: '0.5rem 0', caretColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sunken)', color: 'var(--ink-3)', border: '0' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--accent) 8%, transparent)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'light-dark(#bfe0da, #1f5a54) !important',
  },
  '.cm-selectionMatch': { backgroundColor: 'var(--chosen)' },
  '.cm-panels': { backgroundColor: 'var(--sunken)', color: 'var(--ink)', borderColor: 'var(--line)' },
  '.cm-panel input, .cm-panel button': { fontFamily: 'var(--font)', fontSize: '0.8125rem' },
  '.cm-textfield': { backgroundColor: 'var(--surface)', border: '1px solid var(--line-strong)', color: 'var(--ink)' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--surface)', border: '1px solid var(--line)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--raised)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    fontFamily: 'var(--font)',
    maxWidth: '30rem',
  },
  '.cm-diagnostic': { padding: '0.4rem 0.7rem' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--wait)' },
  '.cm-lintRange-error': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--bad)',
    textUnderlineOffset: '3px',
  },
  '.cm-lintRange-warning': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--wait)',
    textUnderlineOffset: '3px',
  },
});

/** What the editor tells. */
export interface Hears {
  onchange: (text: string) => void;
  /** Ctrl-S or Cmd-S. */
  onkeep: () => void;
}

function extensions({ onchange, onkeep }: Hears): Extension {
  return [
    lineNumbers(),
    foldGutter(),
    codeFolding(),
    lintGutter(),
    highlightSpecialChars(),
    history(),
    drawSelection(),
    indentUnit.of('  '),
    EditorState.tabSize.of(2),
    indentOnInput(),
    bracketMatching(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    highlightSelectionMatches(),
    search({ top: true }),
    yaml(),
    syntaxHighlighting(colours),
    look,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({
      'aria-label': 'Runbook, YAML. Escape and then Tab leaves the editor.',
      spellcheck: 'false',
    }),
    keymap.of([
      {
        key: 'Mod-s',
        preventDefault: true,
        run: () => {
          onkeep();
          return true;
        },
      },
      ...defaultKeymap,
      ...historyKeymap,
      ...searchKeymap,
      ...foldKeymap,
      ...lintKeymap,
      indentWithTab,
    ]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) {
        onchange(update.state.doc.toString());
      }
    }),
  ];
}

/**
 * An editor in a shadow root: there CodeMirror hands its styles to the document as objects, which the content security
 * policy allows, instead of style elements, which it does not.
 */
export function mount(host: HTMLElement, text: string, hears: Hears): EditorView {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const state = EditorState.create({ doc: text, extensions: extensions(hears) });
  const view = new EditorView({ state, root });
  root.append(view.dom);
  return view;
}

/** Puts in another text, keeping the place where it can. */
export function replace(view: EditorView, text: string): void {
  if (view.state.doc.toString() !== text) {
    const head = Math.min(view.state.selection.main.head, text.length);
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: head } });
  }
}

/** Shows findings in the gutter and under the text. */
export function mark(view: EditorView, findings: readonly FindingView[]): void {
  const { doc } = view.state;
  const diagnostics = findings.map((finding): Diagnostic => {
    const line = doc.line(Math.max(1, Math.min(doc.lines, finding.line)));
    const from = Math.min(line.to, line.from + Math.max(0, finding.column - 1));
    const word = /^[^\s:,\]}]+/.exec(doc.sliceString(from, line.to))?.[0].length ?? 0;
    return {
      from,
      to: Math.min(line.to, from + Math.max(1, word)),
      severity: finding.severity === 'error' ? 'error' : 'warning',
      source: finding.rule,
      message: finding.hint === null ? finding.message : `${finding.message} – ${finding.hint}`,
    };
  });
  view.dispatch(setDiagnostics(view.state, diagnostics));
}

/** Goes to a place in the text. */
export function reveal(view: EditorView, line: number, column = 1): void {
  const { doc } = view.state;
  const at = doc.line(Math.max(1, Math.min(doc.lines, line)));
  const anchor = Math.min(at.to, at.from + Math.max(0, column - 1));
  view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) });
  view.focus();
}
