/** Monaco in the colours of look/palette.css; GraphiQL's own pair is pink. */
import type { editor } from 'monaco-editor'

export const editorTheme = { light: 'palaver-light', dark: 'palaver-dark' }

export function defineThemes(define: typeof editor.defineTheme): void {
  define(editorTheme.light, {
    base: 'vs',
    inherit: true,
    colors: surfaces({ ground: '#ffffff', accent: '#0b7a68', wash: '#0b7a6818', field: '#33415511', text: '#1e293b', soft: '#64748b' }),
    rules: [
      { token: 'keyword.gql', foreground: '#9333b8' },
      { token: 'key.identifier.gql', foreground: '#0f5f9c' },
      { token: 'argument.identifier.gql', foreground: '#0b7a68' },
      { token: 'type.identifier.gql', foreground: '#a8580b' },
      { token: 'string.gql', foreground: '#0b7a68' },
      { token: 'number.gql', foreground: '#a8580b' },
      { token: 'comment', foreground: '#7b8798' },
      { token: 'string.key.json', foreground: '#0f5f9c' },
      { token: 'string.value.json', foreground: '#0b7a68' },
      { token: 'number.json', foreground: '#a8580b' },
      { token: 'keyword.json', foreground: '#9333b8' },
    ],
  })
  define(editorTheme.dark, {
    base: 'vs-dark',
    inherit: true,
    colors: surfaces({ ground: '#151d28', accent: '#4cd4b8', wash: '#4cd4b81c', field: '#cbd5e111', text: '#dbe4ee', soft: '#8b9bb0' }),
    rules: [
      { token: 'keyword.gql', foreground: '#d49bf0' },
      { token: 'key.identifier.gql', foreground: '#8cc8ff' },
      { token: 'argument.identifier.gql', foreground: '#4cd4b8' },
      { token: 'type.identifier.gql', foreground: '#f3bd7a' },
      { token: 'string.gql', foreground: '#7fe0b9' },
      { token: 'number.gql', foreground: '#f3bd7a' },
      { token: 'comment', foreground: '#7d8ba0' },
      { token: 'string.key.json', foreground: '#8cc8ff' },
      { token: 'string.value.json', foreground: '#7fe0b9' },
      { token: 'number.json', foreground: '#f3bd7a' },
      { token: 'keyword.json', foreground: '#d49bf0' },
    ],
  })
}

interface Tones {
  ground: string
  accent: string
  wash: string
  field: string
  text: string
  soft: string
}

function surfaces({ ground, accent, wash, field, text, soft }: Tones): editor.IColors {
  return {
    'editor.background': '#00000000',
    'editor.foreground': text,
    'editorLineNumber.foreground': soft,
    'editorLineNumber.activeForeground': text,
    // Indentation tells levels apart; six colours of brackets only compete with the words.
    'editorBracketHighlight.foreground1': soft,
    'editorBracketHighlight.foreground2': soft,
    'editorBracketHighlight.foreground3': soft,
    'editorBracketHighlight.foreground4': soft,
    'editorBracketHighlight.foreground5': soft,
    'editorBracketHighlight.foreground6': soft,
    'scrollbar.shadow': '#00000000',
    'textLink.foreground': accent,
    'textLink.activeForeground': accent,
    'editorLink.activeForeground': accent,
    'editorWidget.background': ground,
    'editorWidget.resizeBorder': accent,
    'editorHoverWidget.background': ground,
    'editorSuggestWidget.background': ground,
    'editorSuggestWidget.selectedBackground': wash,
    'editorSuggestWidget.selectedForeground': accent,
    'list.hoverBackground': wash,
    'list.highlightForeground': accent,
    'list.focusHighlightForeground': accent,
    'menu.background': ground,
    'menu.selectionBackground': wash,
    'menu.selectionForeground': accent,
    'quickInput.background': ground,
    'quickInputList.focusBackground': wash,
    'quickInputList.focusForeground': text,
    'pickerGroup.foreground': accent,
    'input.background': field,
    'inputOption.hoverBackground': wash,
    'toolbar.hoverBackground': wash,
    focusBorder: accent,
  }
}
