import { on } from '@corebus/core'
import { UserCreated } from '@shop/events'

/** Another peer (its zod is another one), so another copy of the package. */
export const copy = import.meta.resolve('@corebus/core')

on(UserCreated, { group: 'mailer' }, ({ data }) => console.log(`handled ${data.id}`))
