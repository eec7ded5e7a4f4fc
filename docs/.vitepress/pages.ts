/** The order in which the site lists the pages of docs/. A page that is not listed here has no way to it, and test/docs.test.ts fails. */
export const SECTIONS: readonly Section[] = [
  {
    text: 'Start',
    pages: [
      ['quick-start', 'Quick start'],
      ['concepts', 'Concepts'],
      ['recipes', 'Recipes'],
    ],
  },
  {
    text: 'Use',
    pages: [
      ['extension', 'Prisma extension'],
      ['strategies', 'Strategies'],
    ],
  },
  {
    text: 'Operate',
    pages: [
      ['operations', 'Operating'],
      ['observability', 'Events and traces'],
      ['providers', 'Providers'],
      ['compatibility', 'Where it runs'],
      ['versions', 'Versions'],
    ],
  },
  {
    text: 'Proof',
    pages: [
      ['reliability', 'Reliability'],
      ['performance', 'Performance'],
    ],
  },
  {
    text: 'How it works',
    pages: [
      ['architecture', 'Architecture'],
      ['protocol', 'Protocol'],
      ['format', 'Stored formats'],
      ['decisions', 'Decisions'],
    ],
  },
]

export interface Section {
  readonly text: string
  /** Name of the file without `.md`, and the text of the link. */
  readonly pages: readonly (readonly [name: string, text: string])[]
}
