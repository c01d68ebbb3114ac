/** Looks at a site as a reader without a network would: links lead somewhere, and nothing comes from elsewhere. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { parse, type DefaultTreeAdapterTypes } from 'parse5'

interface Page {
  readonly ids: ReadonlySet<string>
  readonly links: readonly { readonly target: string; readonly isLoaded: boolean }[]
}

/** Elements and the attribute that makes the browser load something, or the reader go somewhere. */
const LEADING: Readonly<Record<string, { readonly attribute: string; readonly isLoaded: boolean }>> = {
  a: { attribute: 'href', isLoaded: false },
  link: { attribute: 'href', isLoaded: true },
  script: { attribute: 'src', isLoaded: true },
  img: { attribute: 'src', isLoaded: true },
  iframe: { attribute: 'src', isLoaded: true },
  source: { attribute: 'src', isLoaded: true },
}

/** Links of the pages in a folder to what is not there, and what a browser would load from the web. */
export function deadLinks(folder: string): readonly string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'))
  const pages = new Map(names.map((name) => [resolve(folder, name), readPage(resolve(folder, name))]))
  return [...pages].flatMap(([at, { links }]) => {
    const faults = links.flatMap(({ target, isLoaded }) => {
      const fault = faultOf({ pages, folder, at, target, isLoaded })
      return fault === undefined ? [] : [`${relative(folder, at)}: ${target}: ${fault}`]
    })
    return [...new Set(faults)]
  })
}

interface Followed {
  readonly pages: ReadonlyMap<string, Page>
  readonly folder: string
  readonly at: string
  readonly target: string
  readonly isLoaded: boolean
}

function faultOf({ pages, folder, at, target, isLoaded }: Followed): string | undefined {
  if (/^[a-z][a-z+.-]*:|^\/\//i.test(target)) return isLoaded ? 'is loaded from elsewhere' : undefined
  const [path = '', anchor = ''] = target.split('#')
  const file = path === '' ? at : resolve(dirname(at), decodeURIComponent(path.split('?')[0] ?? ''))
  if (relative(folder, file).startsWith('..')) return 'leads out of the site'
  if (!existsSync(file) || statSync(file).isDirectory()) return 'is not there'
  if (anchor === '') return undefined
  return pages.get(file)?.ids.has(decodeURIComponent(anchor)) === false ? 'has no such heading' : undefined
}

function readPage(file: string): Page {
  const ids = new Set<string>()
  const links: { target: string; isLoaded: boolean }[] = []
  const waiting: DefaultTreeAdapterTypes.Node[] = [parse(readFileSync(file, 'utf8'))]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if ('childNodes' in node) waiting.push(...node.childNodes)
    if (!('attrs' in node)) continue
    const attributes = new Map(node.attrs.map(({ name, value }) => [name, value]))
    for (const name of ['id', 'name']) if (attributes.has(name)) ids.add(attributes.get(name) ?? '')
    const leading = LEADING[node.tagName]
    const target = leading === undefined ? undefined : attributes.get(leading.attribute)
    if (leading !== undefined && target !== undefined) links.push({ target, isLoaded: leading.isLoaded })
  }
  return { ids, links }
}
