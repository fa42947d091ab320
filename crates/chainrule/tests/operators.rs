//! Operators at special points: NaN, infinities, zeros of either sign, integers, nothing at all.

use chainrule::gate::softmax::Reduction;
use chainrule::ops::{Attention, Combine, Ctc, Interpolation};
use chainrule::{DType, ErrorKind, Index, Result, Tensor, param, tensor};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

#[test]
fn integers_stay_integers_where_they_can() -> Result<()> {
    let x = tensor([-7, 7]);
    assert_eq!(x.floor()?.dtype(), DType::I64);
    assert_eq!(x.div_floor(2)?.to_vec::<i64>()?, [-4, 3]);
    assert_eq!(x.div_trunc(2)?.to_vec::<i64>()?, [-3, 3]);
    assert_eq!(x.remainder(3)?.to_vec::<i64>()?, [2, 1]);
    assert_eq!(x.fmod(3)?.to_vec::<i64>()?, [-1, 1]);
    assert_eq!(x.tan()?.dtype(), DType::F32);
    assert_eq!(x.div_floor(0).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(tensor([i64::MIN]).div_floor(-1)?.to_vec::<i64>()?, [i64::MIN]);
    assert_eq!(tensor([true]).floor().unwrap_err().kind(), ErrorKind::DType);
    Ok(())
}

#[test]
fn division_and_remainder_follow_their_signs() -> Result<()> {
    assert_eq!(tensor([-7.0, 7.0]).remainder(-3.0)?.to_vec::<f32>()?, [-1.0, -2.0]);
    assert_eq!(tensor([1.0, -1.0]).div_floor(0.0)?.to_f64_vec(), [INF, -INF]);
    assert!(tensor([1.0]).fmod(0.0)?.item()?.is_nan());
    // 0.6/0.2 rounds to 3, and 0.6 holds 0.2 only twice.
    let quotient = Tensor::new([0.6], DType::F64)?.div_floor(Tensor::new([0.2], DType::F64)?)?;
    assert_eq!(quotient.item()?, 2.0);
    assert!(tensor([-0.0]).signbit()?.to_bool()?);
    assert_eq!(tensor([1.0]).nextafter(2.0)?.item()?, f64::from(1.0f32 + f32::EPSILON));
    Ok(())
}

#[test]
fn nan_passes_or_not_as_each_operator_says() -> Result<()> {
    let x = tensor([1.0, NAN, 3.0]);
    assert!(x.median()?.item()?.is_nan());
    assert_eq!(x.nanmedian()?.item()?, 1.0);
    assert_eq!(x.max_dim(0, false)?.1.item()?, 1.0);
    assert_eq!(x.fmax(2.0)?.to_f64_vec(), [2.0, 2.0, 3.0]);
    assert!(x.clamp_min(2.0)?.to_f64_vec()[1].is_nan());
    assert_eq!(x.nansum(&[], false)?.item()?, 4.0);
    assert!(x.quantile(&tensor(0.5), None, false, Interpolation::Linear)?.item()?.is_nan());
    assert_eq!(x.nanquantile(&tensor(0.5), None, false, Interpolation::Linear)?.item()?, 2.0);
    assert!(x.isclose(&x, 0.0, 0.0, true)?.all(&[], false)?.to_bool()?);
    assert!(!x.allclose(&x, 0.0, 0.0, false)?);
    assert!(tensor([INF]).allclose(&tensor([INF]), 1e-5, 1e-8, false)?);
    assert!(!tensor([INF]).allclose(&tensor([1.0]), 1e-5, 1e-8, false)?);
    Ok(())
}

#[test]
fn reductions_of_nothing() -> Result<()> {
    let nothing = Tensor::zeros([0]);
    assert!(nothing.all(&[], false)?.to_bool()? && !nothing.any(&[], false)?.to_bool()?);
    assert!(nothing.median()?.item()?.is_nan());
    assert_eq!(nothing.vector_norm(2.0, &[], false)?.item()?, 0.0);
    assert_eq!(nothing.vector_norm(INF, &[], false).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(nothing.median_dim(0, false).unwrap_err().kind(), ErrorKind::Index);
    assert_eq!(nothing.mode(0, false).unwrap_err().kind(), ErrorKind::Index);
    assert_eq!(Tensor::zeros([3, 0]).cdist(&Tensor::zeros([2, 0]), 2.0)?.to_vec::<f32>()?, [0.0; 6]);
    Ok(())
}

#[test]
fn elements_that_tie_share_the_gradient_of_a_median() -> Result<()> {
    let x = param([2.0, 1.0, 2.0, 5.0]);
    x.median()?.backward()?;
    assert_eq!(x.grad().map(|g| g.to_f64_vec()), Some(vec![0.5, 0.0, 0.5, 0.0]));
    let x = param([2.0, 1.0, 2.0, 5.0]);
    x.median_dim(0, false)?.0.backward()?;
    assert_eq!(x.grad().map(|g| g.to_f64_vec()), Some(vec![1.0, 0.0, 0.0, 0.0]));
    Ok(())
}

#[test]
fn a_mask_hides_nan_from_values_and_gradients() -> Result<()> {
    let x = param([[1.0, NAN], [3.0, 5.0]]);
    let masked = x.masked(Some(&tensor([[true, false], [true, true]])))?;
    let y = masked.var(&[], 0.0, false)?;
    y.backward()?;
    assert!((y.item()? - 8.0 / 3.0).abs() < 1e-6);
    let gradient = x.grad().map(|g| g.to_f64_vec()).unwrap_or_default();
    assert!(gradient.iter().all(|g| g.is_finite()) && gradient[1] == 0.0, "{gradient:?}");
    assert!(x.masked(Some(&tensor([false, false])))?.mean(&[], false)?.item()?.is_nan());
    assert_eq!(x.masked(Some(&tensor([1.0, 0.0]))).unwrap_err().kind(), ErrorKind::DType);
    Ok(())
}

#[test]
fn a_query_that_sees_nothing_gets_zeros_and_no_gradient() -> Result<()> {
    let (q, k, v) = (param([[1.0, 2.0], [3.0, 4.0]]), tensor([[1.0, 0.0]]), tensor([[7.0]]));
    let mask = tensor([[false], [true]]);
    let options = Attention { mask: Some(&mask), ..Attention::default() };
    let y = q.scaled_dot_product_attention(&k, &v, &options)?;
    assert_eq!(y.to_f64_vec(), [0.0, 7.0]);
    y.sum()?.backward()?;
    assert!(q.grad().is_some_and(|g| g.to_f64_vec().iter().all(|g| *g == 0.0)));
    let both = Attention { causal: true, ..options };
    assert_eq!(q.scaled_dot_product_attention(&k, &v, &both).unwrap_err().kind(), ErrorKind::Argument);
    Ok(())
}

/// CTC against its definition: the sum over all readings that spell the labels.
#[test]
fn ctc_sums_over_all_readings() -> Result<()> {
    let (times, classes) = (4usize, 3usize);
    let logits: Vec<f32> = (0..times * classes).map(|i| ((i * 7 % 5) as f32) * 0.4 - 0.9).collect();
    let x = Tensor::from_vec(logits, [times, classes])?;
    let log_probabilities = x.log_softmax(-1)?.to_f64_vec();
    for labels in [vec![1i64], vec![1, 2], vec![2, 2], vec![]] {
        let mut total = 0.0;
        for reading in 0..classes.pow(times as u32) {
            let path: Vec<usize> = (0..times).map(|t| reading / classes.pow(t as u32) % classes).collect();
            let mut spelt = path.clone();
            spelt.dedup();
            spelt.retain(|&c| c != 0);
            if spelt.iter().map(|&c| c as i64).eq(labels.iter().copied()) {
                let log: f64 = path.iter().enumerate().map(|(t, c)| log_probabilities[t * classes + c]).sum();
                total += log.exp();
            }
        }
        let count = labels.len();
        let options = Ctc { reduction: Reduction::Sum, ..Ctc::default() };
        let loss = x.ctc_loss(&Tensor::from_vec(labels, [count])?, &[times], &[count], &options)?;
        assert!((loss.item()? + total.ln()).abs() < 1e-5, "{} is not {}", loss.item()?, -total.ln());
    }
    let too_short = Ctc { zero_infinity: true, ..Ctc::default() };
    assert_eq!(x.ctc_loss(&tensor([1, 1, 1]), &[4], &[3], &too_short)?.item()?, 0.0);
    assert_eq!(x.ctc_loss(&tensor([9]), &[4], &[1], &too_short).unwrap_err().kind(), ErrorKind::Index);
    Ok(())
}

#[test]
fn numbers_at_the_ends_of_their_range() -> Result<()> {
    let (mantissa, exponent) = Tensor::new([5e-324, 1.5e308, 0.0], DType::F64)?.frexp()?;
    assert_eq!(mantissa.to_f64_vec(), [0.5, 1.5e308 / 2f64.powi(1023) / 2.0, 0.0]);
    assert_eq!(exponent.to_vec::<i32>()?, [-1073, 1024, 0]);
    assert_eq!(tensor([1e30, 1e30]).hypot(tensor([1e30, 0.0]))?.isfinite()?.to_f64_vec(), [1.0, 1.0]);
    assert_eq!(tensor([-INF]).logaddexp(-INF)?.item()?, -INF);
    assert_eq!(tensor([1000.0]).logaddexp(1000.0)?.item()?, f64::from(1000.0f32 + 2f32.ln()));
    assert_eq!(tensor([0.0]).xlogy(0.0)?.item()?, 0.0);
    assert_eq!(tensor([-40.0]).log_ndtr()?.isfinite()?.item()?, 1.0);
    assert_eq!(tensor([3]).one_hot(Some(3)).unwrap_err().kind(), ErrorKind::Index);
    Ok(())
}

/// The gradients of a sum with respect to two inputs.
fn gradients(f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>, a: &[f64], b: &[f64]) -> Result<[Vec<f64>; 2]> {
    let leaf = |x: &[f64]| Tensor::from_vec(x.to_vec(), [x.len()])?.requires_grad_(true);
    let (a, b) = (leaf(a)?, leaf(b)?);
    f(&a, &b)?.sum()?.backward()?;
    Ok([&a, &b].map(|x| x.grad().map_or_else(|| vec![0.0; x.elements()], |g| g.to_f64_vec())))
}

#[test]
fn ties_and_limits_share_the_gradient_as_pytorch_does() -> Result<()> {
    // Limits that are tensors share a tie, numbers keep nothing of it.
    let shared = gradients(|x, low| x.clamp_min(low), &[-1.0, 0.0, 2.0], &[0.0; 3])?;
    assert_eq!(shared, [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]);
    let number = gradients(|x, _| x.clamp_min(0.0)?.clamp_max(2.0), &[-1.0, 0.0, 1.0, 2.0], &[])?;
    assert_eq!(number[0], [0.0, 0.0, 1.0, 0.0]);
    let pinned =
        gradients(|x, limit| x.clamp_between(Some(limit), Some(limit)), &[0.0, 1.0, 2.0], &[1.0; 3])?;
    assert_eq!(pinned, [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]);
    let (a, b) = ([1.0, 1.0, NAN, NAN, 2.0], [1.0, NAN, 1.0, NAN, 1.0]);
    assert_eq!(gradients(|a, b| a.fmax(b), &a, &b)?, [[0.5, 1.0, 0.0, 1.0, 1.0], [0.5, 0.0, 1.0, 0.0, 0.0]]);
    assert_eq!(gradients(|a, b| a.fmin(b), &a, &b)?, [[0.5, 1.0, 0.0, 1.0, 0.0], [0.5, 0.0, 1.0, 0.0, 1.0]]);
    assert_eq!(gradients(|a, b| a.atan2(b), &[0.0, 0.0], &[0.0, -1.0])?, [[0.0, -1.0], [0.0, 0.0]]);
    assert_eq!(gradients(|a, b| a.nextafter(b), &[0.0, 1.0], &[0.0, 2.0])?[0], [0.0, 1.0]);
    let huber = gradients(|a, b| a.huber_loss(b, 1.0, Reduction::Sum), &[-1.0, 0.5, NAN], &[0.0; 3])?;
    assert!(huber[0][..2] == [-1.0, 0.5] && huber[0][2].is_nan(), "{huber:?}");
    Ok(())
}

#[test]
fn what_has_no_result_is_refused() -> Result<()> {
    let integers = tensor([2, -1]);
    assert_eq!(integers.pow(-1).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(integers.pow(-1.0)?.to_f64_vec(), [0.5, -1.0]);
    // Exponents that are a tensor may be of either sign; what isn't whole becomes 0.
    assert_eq!(integers.pow(&tensor([-1, -3]))?.to_vec::<i64>()?, [0, -1]);
    for (p, t) in [(1.5, 1.0), (-0.1, 0.0), (NAN, 0.0), (0.5, 2.0)] {
        assert_eq!(tensor([p]).binary_cross_entropy(&tensor([t])).unwrap_err().kind(), ErrorKind::Argument);
    }
    assert_eq!(Tensor::zeros([4, 0]).unflatten(0, &[2, 2, 2][..]).unwrap_err().kind(), ErrorKind::Shape);
    Ok(())
}

#[test]
fn sizes_beyond_memory_are_errors() -> Result<()> {
    let one = tensor([1.0]);
    // A view may be as large as it likes; what must be written somewhere may not.
    let wide = one.expand([1 << 40, 1])?.expand([1 << 40, 1 << 19])?;
    for error in [
        wide.exp().unwrap_err(),
        wide.add(&wide).unwrap_err(),
        wide.contiguous().unwrap_err(),
        one.repeat_interleave(&[isize::MAX], 0).unwrap_err(),
        one.pad_constant(&[(isize::MAX / 4, 0)], 0.0).unwrap_err(),
        one.expand([1 << 40, 1 << 40]).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
    }
    let made = std::panic::catch_unwind(|| Tensor::zeros([1 << 40, 1 << 40]));
    let text = made.unwrap_err().downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("memory can't hold"), "{text}");
    Ok(())
}

#[test]
fn matrices_at_special_points() -> Result<()> {
    use chainrule::linalg::{self, Tolerance};
    let singular = param([[1.0, 2.0], [2.0, 4.0]]);
    // The determinant has a gradient where there is no inverse; its logarithm has infinities.
    linalg::det(&singular)?.backward()?;
    assert_eq!(
        singular.grad().map(|g| g.array().all_close(&tensor([[4.0, -2.0], [-2.0, 1.0]]).array(), 1e-6, 1e-6)),
        Some(true)
    );
    let log = linalg::logdet(&param([[1.0, 2.0], [2.0, 4.0]]))?;
    assert_eq!(log.item()?, -INF);
    log.backward()?;
    assert_eq!(linalg::cond(&Tensor::zeros([0, 3]), None)?.item()?, 0.0);
    assert_eq!(linalg::matrix_rank(&Tensor::zeros([0, 3]), Tolerance::default(), false)?.item()?, 0.0);
    assert_eq!(linalg::matrix_sqrth(&tensor([[4.0, 0.0], [0.0, -1.0]]))?.to_f64_vec(), [2.0, 0.0, 0.0, 0.0]);
    assert_eq!(linalg::polar(&Tensor::ones([2, 3])).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(linalg::svdvals(&tensor([[NAN]])).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(linalg::cholesky_inverse(&tensor([[0.0]]), false).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(linalg::eigh(&tensor([[1.0, NAN], [2.0, 1.0]]), false)?.0.to_f64_vec(), [-1.0, 3.0]);
    Ok(())
}

#[test]
fn numbers_beside_integers_are_not_cut_to_their_type() -> Result<()> {
    let bytes = || tensor([0, 5, 255]).cast(DType::U8);
    assert_eq!(bytes()?.clamp_min(-300)?.to_vec::<u8>()?, [0, 5, 255]);
    assert_eq!(bytes()?.clamp_max(300)?.to_vec::<u8>()?, [0, 5, 255]);
    assert_eq!(bytes()?.clamp_max(-2).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(bytes()?.clamp_min(300).unwrap_err().kind(), ErrorKind::Argument);
    // Where the result is a float the number is one: 2⁴⁰ isn't 0.
    assert_eq!(bytes()?.div(-1)?.to_vec::<f32>()?, [-0.0, -5.0, -255.0]);
    assert_eq!(bytes()?.rdiv(-300)?.to_vec::<f32>()?, [-f32::INFINITY, -60.0, -300.0 / 255.0]);
    let five = tensor([5]).cast(DType::I32)?;
    assert!((five.xlogy(1 << 40)?.item()? - 5.0 * 40.0 * 2f64.ln()).abs() < 1e-4);
    // What is to be kept must fit.
    assert_eq!(bytes()?.fill(-1)?.to_vec::<u8>()?, [255; 3]);
    for refused in [bytes()?.fill(NAN), bytes()?.fill(-1.5), bytes()?.fill(300), five.fill(1 << 40)] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Argument);
    }
    let (mask, index) = (tensor([true, false, true]), tensor([0]));
    assert!(bytes()?.masked_fill(&mask, 300).is_err() && bytes()?.index_fill(0, &index, INF).is_err());
    assert!(bytes()?.scatter_value(0, &index, 1000).is_err());
    assert_eq!(bytes()?.any(&[], false)?.dtype(), DType::U8);
    Ok(())
}

#[test]
fn products_and_powers_of_integers_are_exact() -> Result<()> {
    let large = tensor([i64::MAX, 1]);
    let product = large.index_reduce(0, &tensor([0, 0]), &tensor([3, i64::MAX]), Combine::Product, true)?;
    assert_eq!(product.to_vec::<i64>()?, [3, 1]); // 3·(2⁶³ − 1)², wrapped around
    let x = Tensor::new([1.5], DType::F64)?;
    assert_eq!(x.ldexp(&tensor([900]))?.item()?, 1.5 * 2f64.powi(900)); // more than f32 holds
    assert_eq!(tensor([true]).square()?.dtype(), DType::I64);
    let (base, exponent) = (tensor([3, -1, 2]), tensor([(1i64 << 33) + 1, i64::MAX, 1 << 40]));
    let wrapped = 3i64.wrapping_pow(1 << 31).wrapping_pow(4).wrapping_mul(3);
    assert_eq!(base.pow(&exponent)?.to_vec::<i64>()?, [wrapped, -1, 0]);
    Ok(())
}

#[test]
fn shapes_at_their_ends() -> Result<()> {
    assert_eq!(tensor(3).flip(&[-1])?.to_vec::<i64>()?, [3]);
    assert_eq!(tensor(3).topk(0, 0, true)?.0.to_vec::<i64>()?, [3]);
    assert_eq!(Tensor::zeros([0, 2]).diff(3, -1)?.shape(), [0, 0]);
    // A single number is a place, so that one list of indices remains, which needn't go to the front.
    let x = Tensor::zeros([5, 1, 4, 3]);
    let index = [
        Index::Range((..3).into()),
        Index::New,
        Index::Of(tensor([[0], [0]])),
        Index::Range((-1..).into()),
        Index::Of(tensor(0)),
    ];
    assert_eq!(x.index(&index)?.shape(), [3, 1, 2, 1, 1]);
    assert!(x.index(&[Index::Of(tensor(5))]).is_err());
    Ok(())
}

#[test]
fn gradients_beside_other_types() -> Result<()> {
    let x = param([1.0, -2.0]);
    x.atan2(&tensor([true, false]))?.sum()?.backward()?;
    assert_eq!(x.grad().map(|g| g.to_f64_vec()), Some(vec![0.5, 0.0]));
    // Far below 1 the cube of an element is 0.
    let tiny = param([1e-30, -1e-30]);
    let norm = tiny.vector_norm(3.0, &[], false)?;
    norm.backward()?;
    assert!(tiny.grad().is_some_and(|g| g.to_f64_vec().iter().all(|g| g.is_finite())));
    // Beside large numbers the logarithm of the number of terms isn't lost.
    let halves = tensor([1e30, 1e30]).log_softmax(0)?.to_vec::<f32>()?;
    assert_eq!(halves, [-std::f32::consts::LN_2; 2]);
    let loss = tensor([[1e30, 1e30]]).cross_entropy(&tensor([0]))?.item()?;
    assert!((loss - 2f64.ln()).abs() < 1e-6, "{loss}");
    assert!(tensor([INF, 1.0]).log_softmax(0)?.to_f64_vec().iter().all(|y| y.is_nan()));
    Ok(())
}
