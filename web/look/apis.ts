/** The REST APIs of this server: the title of each, by the name of its OpenAPI document. */
export function listApis(): [name: string, title: string][] {
  const content = document.querySelector<HTMLMetaElement>('meta[name="palaver-apis"]')?.content
  try {
    return Object.entries(JSON.parse(content ?? '') as Record<string, string>)
  } catch {
    return [] // Vite's own server puts nothing in.
  }
}
