import './nonce'
import './workers'
import './style.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { prepareFirstVisit } from './examples'
import { Page } from './page'
import { defineThemes } from './themes'

// Monaco measures letters once: with the font still on its way, every cursor would stand beside its place.
const [monaco] = await Promise.all([import('monaco-graphql/esm/monaco-editor.js'), document.fonts.load('15px "Fira Code"')])
defineThemes(monaco.editor.defineTheme)
prepareFirstVisit()

createRoot(document.getElementById('page')!).render(
  <StrictMode>
    <Page />
  </StrictMode>,
)
