import { describe } from 'vitest'
import { booted } from './fixtures/booted.ts'
import { deadLettersOn } from './fixtures/dead-letters-suite.ts'

describe('dead letters on the embedded broker', () => {
  deadLettersOn(booted())
})
