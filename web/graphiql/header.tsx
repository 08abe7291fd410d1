import { type FormEvent, useState } from 'react'
import mark from '../look/mark.svg'
import { isRemembered, keep, useKey } from './key'
import { Who } from './who'

const REFERENCES = { Informer: 'informer', InformedAI: 'informedai', Aegis: 'aegis', AIVAX: 'aivax' }

export function Header() {
  return (
    <header className="palaver-header">
      <a className="palaver-name" href="./">
        <img src={mark} alt="" width="26" height="26" />
        Palaver
      </a>
      <nav aria-label="REST reference">
        <span>REST</span>
        {Object.entries(REFERENCES).map(([name, file]) => (
          <a key={file} href={`./openapi/${file}.json`} target="_blank" rel="noreferrer">
            {name}
          </a>
        ))}
      </nav>
      <Who />
      <KeyForm />
    </header>
  )
}

function KeyForm() {
  const key = useKey()
  const [draft, setDraft] = useState(key)
  const [remember, setRemember] = useState(isRemembered)
  const isSaved = draft.trim() === key

  function save(event: FormEvent) {
    event.preventDefault()
    keep(draft.trim(), remember)
  }

  function changeRemember(remember: boolean) {
    setRemember(remember)
    if (key) keep(key, remember)
  }

  function forget() {
    setDraft('')
    keep('', false)
  }

  return (
    <form className="palaver-key" onSubmit={save} autoComplete="off">
      <label className="palaver-remember" title="Keep the key on this device. Otherwise it is forgotten with this tab.">
        <input type="checkbox" checked={remember} onChange={(event) => changeRemember(event.target.checked)} />
        Remember
      </label>
      <div className={key ? 'palaver-field is-set' : 'palaver-field'}>
        <input
          type="password"
          name="key"
          aria-label="API key"
          placeholder="API key"
          autoComplete="off"
          spellCheck={false}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
        />
        {key && isSaved ? (
          <button type="button" onClick={forget}>
            Forget
          </button>
        ) : (
          <button type="submit" disabled={isSaved}>
            Use
          </button>
        )}
      </div>
    </form>
  )
}
