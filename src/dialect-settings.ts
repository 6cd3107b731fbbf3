import type { Config } from './config.ts'
import { objectTypesOf } from './http/dialects/polaris/object-types.ts'
import type { DialectSettings } from './http/dialects.ts'

/** What the settings say of the dialects. */
export function dialectSettings(config: Config): DialectSettings {
  const spoken = new Set(config.DIALECTS)
  return {
    ...(spoken.has('alm') && {
      alm: {
        sessionSeconds: config.ALM_SESSION_SECONDS,
        timeZone: config.ALM_TIME_ZONE,
        lockFailureStatus: config.ALM_LOCK_FAILURE_STATUS,
        requiresXsrfToken: config.ALM_REQUIRE_XSRF_TOKEN,
      },
    }),
    ...(spoken.has('bimplus') && {
      bimplus: { refusesSelectionsByDefault: config.BIMPLUS_REFUSE_SELECTIONS_BY_DEFAULT },
    }),
    ...(spoken.has('versal') && {
      versal: {
        namespace: config.VERSAL_NAMESPACE,
        gadgetType: config.VERSAL_GADGET_TYPE,
        gadgetIds: config.VERSAL_GADGET_IDS,
        lockSeconds: config.VERSAL_LOCK_SECONDS,
      },
    }),
    ...(spoken.has('polaris') && {
      polaris: {
        namespace: config.POLARIS_NAMESPACE,
        types: objectTypesOf(config.POLARIS_TYPES),
        clearsLocksAtSignIn: config.POLARIS_CLEAR_LOCKS_AT_SIGN_IN,
        maxLockAgeHours: config.POLARIS_MAX_LOCK_AGE_HOURS,
      },
    }),
    ...(spoken.has('bridge') && {
      bridge: {
        namespace: config.BRIDGE_NAMESPACE,
        courseTemplateType: config.BRIDGE_COURSE_TEMPLATE_TYPE,
        taskType: config.BRIDGE_TASK_TYPE,
        lockSeconds: config.BRIDGE_LOCK_SECONDS,
        refusesHolder: config.BRIDGE_REFUSE_HOLDER,
      },
    }),
    ...(spoken.has('terraform') && { terraform: true }),
    ...(spoken.has('git-lfs') && { 'git-lfs': true }),
  }
}
