import { emit } from '@corebus/core'
import { UserCreated, UserUpdated } from '@ecommerce/contracts'
import type { User } from '../domain/user.ts'

export function userCreated({ state: { id, name, email, version, createdAt } }: User): void {
  emit(UserCreated, { id, name, email, version, created_at: createdAt })
}

export function userUpdated({ state: { id, name, email, version, updatedAt } }: User): void {
  emit(UserUpdated, { id, name, email, version, updated_at: updatedAt })
}
