import { alm } from './dialects/alm/family.ts'
import type { AlmSettings } from './dialects/alm/settings.ts'
import { bimplus } from './dialects/bimplus/family.ts'
import type { BimplusSettings } from './dialects/bimplus/settings.ts'
import { bridge } from './dialects/bridge/family.ts'
import type { BridgeSettings } from './dialects/bridge/settings.ts'
import { gitLfs } from './dialects/git-lfs/family.ts'
import { polaris } from './dialects/polaris/family.ts'
import type { PolarisSettings } from './dialects/polaris/settings.ts'
import { terraform } from './dialects/terraform/family.ts'
import { versal } from './dialects/versal/family.ts'
import type { VersalSettings } from './dialects/versal/settings.ts'
import type { WireFamily } from './route-family.ts'

/** The dialects that are spoken, and how. One that is left out does not exist: its paths are 404 like any other. */
export interface DialectSettings {
  readonly alm?: AlmSettings
  readonly bimplus?: BimplusSettings
  readonly versal?: VersalSettings
  readonly polaris?: PolarisSettings
  readonly bridge?: BridgeSettings
  readonly terraform?: true
  readonly 'git-lfs'?: true
}

export type DialectName = keyof DialectSettings

export const DIALECT_NAMES = [
  'alm',
  'bimplus',
  'versal',
  'polaris',
  'bridge',
  'terraform',
  'git-lfs',
] as const satisfies DialectName[]

export function dialectFamilies(settings: DialectSettings): readonly WireFamily[] {
  const families: WireFamily[] = []
  if (settings.alm !== undefined) families.push(alm(settings.alm))
  if (settings.bimplus !== undefined) families.push(bimplus(settings.bimplus))
  if (settings.versal !== undefined) families.push(versal(settings.versal))
  if (settings.polaris !== undefined) families.push(polaris(settings.polaris))
  if (settings.bridge !== undefined) families.push(bridge(settings.bridge))
  if (settings.terraform === true) families.push(terraform)
  if (settings['git-lfs'] === true) families.push(gitLfs)
  return families
}
