// #region controller
import { defineEvent, event } from '@corebus/core'
import { type CanActivate, Controller, Delete, Param, Post, UseGuards } from '@nestjs/common'
import { z } from 'zod'

export const UserDeleted = defineEvent('user.deleted', z.object({ id: z.number() }), { topic: 'users', key: 'id' })

export class Nobody implements CanActivate {
  canActivate(): boolean {
    return false
  }
}

@Controller('users')
export class Users {
  @Delete(':id')
  @event(UserDeleted)
  remove(@Param('id') id: string) {
    return { id: Number(id) }
  }
  // #endregion controller

  @Post('above')
  @event(UserDeleted)
  @UseGuards(Nobody)
  above() {
    return { id: 1 }
  }

  @event(UserDeleted)
  @Post('below')
  @UseGuards(Nobody)
  below() {
    return { id: 2 }
  }

  @UseGuards(Nobody)
  @Post('between')
  @event(UserDeleted)
  between() {
    return { id: 3 }
  }

  @event(UserDeleted)
  @Post('open/:id')
  open(@Param('id') id: string) {
    return { id: Number(id) }
  }
}
