/**
 * How the command is called in errors and help: wherever it is typed. In scripts of package.json it is `core` as well; typed in a shell without
 * a local install, `npx core` would run somebody else's package.
 */
export const COMMAND = 'npx corebus'
