export { type ActionContext, type ActionDecorator, type ActionMethod, type ActionOptions, action } from './action.ts'
export { type MountOptions, mount } from './mount.ts'
export { type RequestMessaging, type RequestScopeOptions, type RequestVariables, requestScope } from './request-scope.ts'
export { ViewSet, type ViewSetClass } from './view-set.ts'
