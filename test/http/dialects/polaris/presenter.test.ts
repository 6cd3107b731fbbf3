import t from 'tap'
import { presentDate } from '../../../../src/http/dialects/polaris/presenter.ts'

t.test('times are ISO 8601 in UTC, without the zeros at the end of the milliseconds', async t => {
  for (const [time, shown] of [
    ['2016-01-15T16:01:16.857Z', '2016-01-15T16:01:16.857+00:00'],
    ['2016-01-27T13:27:11.760Z', '2016-01-27T13:27:11.76+00:00'],
    ['2016-01-27T13:27:11.700Z', '2016-01-27T13:27:11.7+00:00'],
    ['2016-01-27T13:27:11.007Z', '2016-01-27T13:27:11.007+00:00'],
    ['2015-09-14T16:59:10.000Z', '2015-09-14T16:59:10+00:00'],
    ['2015-09-14T00:00:00.000Z', '2015-09-14T00:00:00+00:00'],
  ] as const) {
    t.equal(presentDate(new Date(time)), shown)
    t.equal(new Date(shown).toISOString(), time)
  }
})
