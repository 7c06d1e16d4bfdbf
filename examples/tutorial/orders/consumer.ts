import './messaging.ts'
import './welcome.ts'
import './payments.ts'
