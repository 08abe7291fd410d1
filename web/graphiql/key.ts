/** The API key a person pasted: kept for this tab, or on this device when they ask for it. */
import { useSyncExternalStore } from 'react'

const NAME = 'palaver.key'
const listeners = new Set<() => void>()

export function currentKey(): string {
  return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? ''
}

export function isRemembered(): boolean {
  return localStorage.getItem(NAME) !== null
}

export function useKey(): string {
  return useSyncExternalStore(subscribe, currentKey)
}

export function keep(key: string, remember: boolean): void {
  sessionStorage.removeItem(NAME)
  localStorage.removeItem(NAME)
  if (key) (remember ? localStorage : sessionStorage).setItem(NAME, key)
  for (const listener of listeners) listener()
}

export function authorization(key: string): Record<string, string> {
  return key ? { Authorization: `Bearer ${key}` } : {}
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
