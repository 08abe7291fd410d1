/** The conversation, the turn and the gateway that answers spoke of last, so that the next example can go on from there. */

const seen = new Map<string, string>()

export function remember(data: unknown): void {
  if (typeof data !== 'object' || data === null) return
  for (const [name, value] of Object.entries(data)) {
    if (name === 'conversationId' || name === 'turnId') note(name, value)
    else if (name === 'conversation' || name === 'turn' || name === 'gateway') note(`${name}Id`, value?.id)
    if (typeof value === 'object' && !Array.isArray(value)) remember(value)
  }
}

/** The variables of an example, with the ids it leaves open as far as they are known. */
export function fill(variables: string): string {
  return variables.replace(/"(\w+)": null/g, (open, name: string) => (seen.has(name) ? `"${name}": "${seen.get(name)}"` : open))
}

function note(name: string, id: unknown): void {
  if (typeof id === 'string') seen.set(name, id)
}
