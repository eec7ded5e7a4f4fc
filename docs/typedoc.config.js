import { Converter } from 'typedoc'

/** Source of an entry point → what an application imports. */
const MODULES = { src: 'write-behind', 'dashboard/server': 'write-behind/dashboard' }

function nameModules({ converter }) {
  converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children) module.name = MODULES[module.name]
  })
}

/** @type {import('typedoc').TypeDocOptions} */
export default {
  name: 'API',
  tsconfig: '../tsconfig.build.json',
  entryPoints: ['../src/index.ts', '../dashboard/server.ts'],
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme', nameModules],
  out: 'api',
  docsRoot: '.',
  basePath: '..',
  readme: 'none',
  excludeInternal: true,
  excludeExternals: true,
  disableGit: true,
  sourceLinkTemplate: 'https://github.com/write-behind/write-behind/blob/main/{path}#L{line}',
  validation: { notExported: false },
  treatWarningsAsErrors: true,
}
