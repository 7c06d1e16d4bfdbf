import type * as pino from 'pino'

/** pino, loaded by the first call. */
export declare function loadPino(): typeof pino
