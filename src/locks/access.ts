import { EVERY_NAMESPACE, type Principal, ROLES, type Role } from './api-key.ts'
import { Refusal } from './errors.ts'

/** Refuses a principal whose role is below the one needed. */
export function requireRole(principal: Principal, needed: Role): void {
  if (ROLES.indexOf(principal.role) < ROLES.indexOf(needed)) {
    throw new Refusal(
      'forbidden',
      `this call needs a key with the role ${needed}; this key has the role ${principal.role}`,
    )
  }
}

/**
 * Refuses a namespace that the key is not for. Asked before anything of the namespace is looked at, so that
 * the answer tells nothing about what is in it.
 */
export function requireNamespace(principal: Principal, namespace: string): void {
  if (principal.namespace !== EVERY_NAMESPACE && principal.namespace !== namespace) {
    throw new Refusal('forbidden', `this key is for the namespace ${principal.namespace} only`)
  }
}

/** Refuses a key of one namespace where the answer tells of all: even a number tells of others' locks. */
export function requireEveryNamespace(principal: Principal): void {
  if (principal.namespace !== EVERY_NAMESPACE) {
    throw new Refusal('forbidden', `this call needs a key for every namespace (${EVERY_NAMESPACE})`)
  }
}

/** Whether somebody administers a namespace, and so may do there what others may not. */
export function administers(principal: Principal, namespace: string): boolean {
  const isFor = principal.namespace === EVERY_NAMESPACE || principal.namespace === namespace
  return principal.role === 'admin' && isFor
}

/**
 * Refuses whoever does not administer the whole service. Keys vouch for user names, and sessions belong to
 * users across namespaces: an administrator of one namespace who could mint keys could be anybody everywhere.
 */
export function requireServiceAdmin(principal: Principal): void {
  requireRole(principal, 'admin')
  requireEveryNamespace(principal)
}
