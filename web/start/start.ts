import { listApis } from '../look/apis'

document.querySelector('#address')!.textContent = new URL('graphql', document.baseURI).href

const apis = listApis()
document.querySelector('#rest')!.toggleAttribute('hidden', apis.length === 0)
document.querySelector('#apis')!.append(
  ...apis.map(([name, title]) => {
    const link = Object.assign(document.createElement('a'), { href: `./openapi/${name}.json`, textContent: title })
    const item = document.createElement('li')
    item.append(link)
    return item
  }),
)
