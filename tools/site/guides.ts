/** The pages of the site, in the order in which they are read. */

/** A group of pages in the site's table of contents. */
export interface GuideGroup {
  readonly title: string
  /** Files of the project. One that is not there yet, or no more, is left out. */
  readonly pages: readonly string[]
}

/** Guides stand in this order; a page of docs/ that no group names stands at the end of the last group. */
export const GUIDE_GROUPS: readonly GuideGroup[] = [
  {
    title: 'Begin',
    pages: [
      'docs/first-steps.md',
      'docs/own-node.md',
      'docs/mainnet.md',
      'docs/what-can-it-cost.md',
      'docs/costs-and-privacy.md',
    ],
  },
  {
    title: 'Without code',
    pages: ['docs/tunnels.md', 'docs/proxy.md', 'docs/files.md', 'docs/commands.md'],
  },
  {
    title: 'Programs',
    pages: [
      'docs/using.md',
      'docs/events.md',
      'docs/messages.md',
      'docs/selling.md',
      'docs/simulated-network.md',
      'docs/property-tests.md',
      'docs/writing-a-backend.md',
    ],
  },
  {
    title: 'Operation',
    pages: [
      'docs/service.md',
      'docs/observing.md',
      'docs/configuration.md',
      'docs/errors.md',
      'docs/bounds.md',
      'docs/lnd-versions.md',
      'docs/upgrading.md',
    ],
  },
]

/** What else there is to read, by where it stands. The first that fits holds. */
export const OTHER_GROUPS: readonly { readonly title: string; readonly path: RegExp }[] = [
  { title: 'Examples', path: /^examples\// },
  { title: 'Specification', path: /^spec\/(?!decisions\/)/ },
  { title: 'Decisions', path: /^spec\/decisions\// },
  { title: 'Measurements', path: /^bench\// },
  { title: 'The project', path: /^[A-Z]+\.md$|^(?:test|tools|\.ci)\// },
]
