/** Sets a header of whatever name: `__proto__` would be the object's own. */
export function setHeader<T>(headers: Record<string, T>, name: string, value: T): void {
  if (name === '__proto__') Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
  else headers[name] = value
}
