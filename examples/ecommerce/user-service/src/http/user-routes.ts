import { CREATED, DONE, failures, found, IdPath, jsonBody, PageQuery, pageOf, Refused, type ServiceApp, text } from '@ecommerce/platform'
import { createRoute, z } from '@hono/zod-openapi'
import { createUser } from '../command/create-user.ts'
import { updateUser } from '../command/update-user.ts'
import { nextId } from '../database.ts'
import { findUser, listUsers } from '../query/users.ts'

const Name = text(200).openapi({ example: 'Danilo Silva' })
const Email = z.email().max(254).openapi({ example: 'danilo@exemplo.com' })
const NewUser = z.strictObject({ name: Name, email: Email }).openapi('NewUser')
const UserChange = z
  .strictObject({ name: Name.optional(), email: Email.optional() })
  .refine((change) => Object.keys(change).length > 0, 'changes nothing')
  .openapi('UserChange')
const User = z.object({ id: z.int(), name: z.string(), email: z.string(), created_at: z.string(), updated_at: z.string() }).openapi('User')

const PATH = '/api/v1/users'
const create = createRoute({ method: 'post', path: PATH, request: { body: jsonBody(NewUser) }, responses: { ...CREATED, ...failures } })
const list = createRoute({ method: 'get', path: PATH, request: { query: PageQuery }, responses: { ...found(pageOf(User)), ...failures } })
const read = createRoute({ method: 'get', path: `${PATH}/{id}`, request: { params: IdPath }, responses: { ...found(User), ...failures } })
const update = createRoute({
  method: 'patch',
  path: `${PATH}/{id}`,
  request: { params: IdPath, body: jsonBody(UserChange) },
  responses: { ...DONE, ...failures },
})

export function userRoutes(app: ServiceApp): void {
  app.openapi(create, async (c) => {
    const id = await nextId()
    await createUser({ id, ...c.req.valid('json') })
    return c.json({ id }, 201, { Location: `${PATH}/${id}` })
  })

  app.openapi(list, async (c) => c.json(await listUsers(c.req.valid('query')), 200))

  app.openapi(read, async (c) => {
    const { id } = c.req.valid('param')
    const user = await findUser(id)
    if (!user) throw new Refused('not_found', `there is no user ${id}`)
    return c.json(user, 200)
  })

  app.openapi(update, async (c) => {
    await updateUser({ ...c.req.valid('param'), ...c.req.valid('json') })
    return c.body(null, 204)
  })
}
