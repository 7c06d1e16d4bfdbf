// Loaded into every process of the demo. When the demo is gone (killed, crashed), its end of this pipe closes, and nobody is left behind.
process.stdin.on('close', () => process.kill(process.pid, 'SIGTERM'))
process.stdin.resume()
// It must not keep a process alive that is done.
if ('unref' in process.stdin && typeof process.stdin.unref === 'function') process.stdin.unref()
