import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** A constant and not read from package.json: bundled into one file of an app there is none beside it. A test holds the two together. */
export const packageVersion = '0.1.0'

/** This module; bundled, the file of the app. (In a bundle of CommonJS `import.meta` is empty.) */
export const here: string = (import.meta.url as string | undefined) ?? pathToFileURL(__filename).href

/** Whether this package lies in files of its own: not so in a bundle, where it is one file with the app. */
export const isPackage: boolean = /\/process\/version\.[jt]s$/.test(here)

/** The folder of this copy of @corebus/core; bundled, the file. */
export const packageRoot: string = isPackage ? dirname(dirname(dirname(fileURLToPath(here)))) : fileURLToPath(here)
