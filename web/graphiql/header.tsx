import { type FormEvent, useState } from 'react'
import { listApis } from '../look/apis'
import mark from '../look/mark.svg'
import { isRemembered, keep, useKey } from './key'
import { Who } from './who'

const APIS = listApis()

export function Header() {
  return (
    <header className="palaver-header">
      <a className="palaver-name" href="./">
        <img src={mark} alt="" width="26" height="26" />
        Palaver
      </a>
      <nav aria-label="REST APIs">
        {APIS.length > 0 && <span>REST</span>}
        {APIS.map(([name, title]) => (
          <a key={name} href={`./openapi/${name}.json`} target="_blank" rel="noreferrer">
            {title}
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
