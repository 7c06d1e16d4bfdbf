/** How often longer than usual is waited for what must happen: COREBUS_PATIENCE=4 on a machine that is busy with something else. Default: 1. */
export const PATIENCE: number = Number(process.env.COREBUS_PATIENCE) || 1
